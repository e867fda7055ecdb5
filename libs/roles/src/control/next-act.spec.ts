import { describe, expect, it } from 'vitest';
import type { EntityFacts } from './entity-passes.js';
import { nextAct } from './next-act.js';
import type { ProcessFacts } from './process-facts.js';

const bridged: ProcessFacts = {
  phase: 'bridged',
  started: true,
  pause: 'running',
  streamWanted: true,
  stream: 'open',
  onBreak: 'rebuild',
  epoch: 2,
  schemaChanged: false,
  openRanges: 0,
  pass: 3,
  nullIndexesReady: true,
  nulls: 0,
  unfillableOpen: 0,
  chunkRowsMax: 1_000,
  tailPassSinceBridge: true,
  msSinceTailPass: 100,
  fenceOpen: false,
  msSinceFence: 100,
  verificationWanted: false,
  verificationBegun: false,
  ready: true,
  autoDue: false,
  guarded: false,
  cutoverOperationId: null,
  begunOperationId: null,
  finishOperationId: null,
  unenforceOperationId: null,
  rollbackOperationId: null,
  bridgeJudged: false,
};
const act = (facts: Partial<ProcessFacts>): unknown => nextAct({ ...bridged, ...facts });

/** All of history has its entities, and the pass over it came after the bridge. */
const complete: EntityFacts = {
  pass: 1,
  open: false,
  sinceBridge: true,
  sinceFinish: true,
  missing: 0,
  msSince: 100,
  tookMs: 50,
};

describe('the next act for entities', () => {
  const none = { ...complete, pass: -1 };

  it('makes those of history behind the slot and before the sweep, whose rows need them', () => {
    expect(act({ phase: 'expanded', epoch: 0, entities: none })).toEqual({ kind: 'openStream', epoch: 1 });
    expect(act({ phase: 'streaming', entities: none })).toEqual({ kind: 'createEntities', epoch: 2, pass: 0 });
    const open = { ...none, pass: 0, open: true };
    expect(act({ phase: 'streaming', entities: open })).toEqual({ kind: 'wait', reason: 'CreatingEntities' });
    expect(act({ phase: 'streaming', entities: { ...complete, pass: 0 } })).toEqual({ kind: 'startSweep', epoch: 2 });
    const alone = { phase: 'expanded', epoch: 0, streamWanted: false, stream: 'none' } as const;
    expect(act({ ...alone, entities: none })).toEqual({ kind: 'createEntities', epoch: 1, pass: 0 });
    expect(act({ ...alone, entities: { ...complete, pass: 0 } })).toEqual({ kind: 'startSweep', epoch: 1 });
    expect(act({ ...alone, pause: 'paused', entities: none })).toEqual({ kind: 'wait', reason: 'Paused' });
  });

  it('passes over the sources before a tail pass, which begins when that is done', () => {
    const late = { phase: 'sweeping', pass: 1, nulls: 9, entities: { ...complete, msSince: 20_000 } } as const;
    expect(act(late)).toEqual({ kind: 'createEntities', epoch: 2, pass: 2 });
    expect(act({ ...late, entities: { ...complete, open: true } })).toEqual({
      kind: 'wait',
      reason: 'CreatingEntities',
    });
    expect(act({ ...late, entities: complete })).toEqual({ kind: 'tailPass', pass: 2 });
  });

  it('passes once more after the bridge, and again soon while one is missing', () => {
    expect(act({ entities: { ...complete, sinceBridge: false } })).toMatchObject({ kind: 'createEntities', pass: 2 });
    expect(act({ entities: complete })).toEqual({ kind: 'wait', reason: 'AwaitingCutover' });
    expect(act({ entities: { ...complete, missing: 1, msSince: 3_000 } })).toMatchObject({ kind: 'createEntities' });
    const slow = { ...complete, missing: 1, tookMs: 10_000 };
    expect(act({ entities: { ...slow, msSince: 40_000 } })).toEqual({ kind: 'wait', reason: 'AwaitingCutover' });
    expect(act({ entities: { ...slow, msSince: 51_000 } })).toMatchObject({ kind: 'createEntities' });
    const proof = { ...slow, missing: 0 };
    expect(act({ entities: { ...proof, msSince: 100_000 } })).toEqual({ kind: 'wait', reason: 'AwaitingCutover' });
    expect(act({ entities: { ...proof, msSince: 201_000 } })).toMatchObject({ kind: 'createEntities' });
    expect(act({ entities: { ...slow, tookMs: 9e9, msSince: 601_000 } })).toMatchObject({ kind: 'createEntities' });
  });

  it('goes on with fences and the cutover while a pass is under way', () => {
    const entities = { ...complete, open: true };
    expect(act({ entities, msSinceFence: 9_000 })).toEqual({ kind: 'fence' });
    expect(act({ entities, cutoverOperationId: 'one' })).toEqual({ kind: 'cutover', operationId: 'one' });
  });

  it('passes a last time before finish, after which nobody of ours makes any', () => {
    const end = { phase: 'enforced', finishOperationId: 'end' } as const;
    expect(act({ ...end, entities: { ...complete, sinceFinish: false } })).toMatchObject({ kind: 'createEntities' });
    expect(act({ ...end, entities: { ...complete, open: true } })).toEqual({
      kind: 'wait',
      reason: 'CreatingEntities',
    });
    expect(act({ ...end, entities: complete })).toEqual({ kind: 'finish', operationId: 'end' });
    const paused = { ...end, pause: 'paused', entities: { ...complete, sinceFinish: false } } as const;
    expect(act(paused)).toEqual({ kind: 'finish', operationId: 'end' });
  });
});

describe('the next act', () => {
  it('goes on with an attempt under way although the stream broke: rebuilding is refused in that phase, for ever', () => {
    const facts = { phase: 'cutting-over', stream: 'broken', begunOperationId: 'one' } as const;
    expect(act(facts)).toEqual({ kind: 'cutover', operationId: 'one' });
    expect(act({ ...facts, onBreak: 'hold', pause: 'paused' })).toEqual({ kind: 'cutover', operationId: 'one' });
  });

  it('rebuilds a broken stream before anything else, paused or not, once no attempt is under way', () => {
    expect(act({ stream: 'broken', cutoverOperationId: 'one' })).toEqual({ kind: 'openStream', epoch: 3 });
    expect(act({ stream: 'broken', onBreak: 'hold' })).toEqual({ kind: 'wait', reason: 'StreamBroken' });
  });

  it('rebuilds it after enforcement too, since the bridge reports through it, until finish has judged the bridge', () => {
    const facts = { phase: 'enforced', stream: 'broken', finishOperationId: 'end' } as const;
    expect(act(facts)).toEqual({ kind: 'openStream', epoch: 3 });
    expect(act({ ...facts, bridgeJudged: true })).toEqual({ kind: 'finish', operationId: 'end' });
    expect(act({ ...facts, onBreak: 'hold' })).toEqual({ kind: 'finish', operationId: 'end' });
    expect(act({ ...facts, stream: 'open' })).toEqual({ kind: 'finish', operationId: 'end' });
  });

  it('passes once more over listed rows although none is NULL any more, or their entries would stay open for ever', () => {
    expect(act({ unfillableOpen: 1, msSinceTailPass: 5_000 })).toEqual({ kind: 'tailPass', pass: 4 });
    expect(act({ unfillableOpen: 1 })).toEqual({ kind: 'wait', reason: 'AwaitingCutover' });
  });

  it('passes at growing intervals while rows stay NULL, without pause only at first', () => {
    const held = { phase: 'sweeping', nulls: 9_000 } as const;
    expect(act({ ...held, pass: 2 })).toEqual({ kind: 'tailPass', pass: 3 });
    expect(act({ ...held, pass: 3 })).toEqual({ kind: 'wait', reason: 'TailPass' });
    expect(act({ nulls: 1, unfillableOpen: 1, pass: 900, msSinceTailPass: 59_000 })).toMatchObject({ kind: 'wait' });
    expect(act({ nulls: 1, unfillableOpen: 1, pass: 900, msSinceTailPass: 61_000 })).toMatchObject({ pass: 901 });
  });

  it('does not take rows that could not be counted for none', () => {
    const unknown = { nulls: null, msSinceTailPass: 9_000 } as const;
    expect(act({ ...unknown, phase: 'sweeping', pass: 3 })).toEqual({ kind: 'tailPass', pass: 4 });
    expect(act({ ...unknown, phase: 'sweeping', pass: 3, msSinceTailPass: 0 })).toMatchObject({ kind: 'wait' });
    expect(act({ ...unknown, pass: 3 })).toEqual({ kind: 'tailPass', pass: 4 });
  });

  it('begins to verify once a pass has followed the bridge, whether or not the next pass or a fence is due', () => {
    const facts = { verificationWanted: true, nulls: 3, unfillableOpen: 3, msSinceTailPass: 9_000 } as const;
    expect(act({ ...facts, tailPassSinceBridge: false })).toMatchObject({ kind: 'tailPass' });
    expect(act({ ...facts, openRanges: 1 })).toEqual({ kind: 'wait', reason: 'TailPass' });
    expect(act({ ...facts, fenceOpen: true })).toEqual({ kind: 'verify' });
    // its pages are compared beside the acts, which go on
    expect(act({ ...facts, verificationBegun: true })).toMatchObject({ kind: 'tailPass' });
    expect(act({ ...facts, verificationBegun: true, msSinceTailPass: 100 })).toEqual({ kind: 'verify' });
  });

  it('ends an attempt under way itself, halted or with a changed schema: its check must not stay in force', () => {
    const facts = { phase: 'cutting-over', begunOperationId: 'one', guarded: true } as const;
    expect(act({ ...facts, pause: 'halted' })).toEqual({ kind: 'cutover', operationId: 'one' });
    expect(act({ ...facts, schemaChanged: true })).toEqual({ kind: 'cutover', operationId: 'one' });
  });

  it('takes back a check that is in force without an attempt, halted or not', () => {
    expect(act({ guarded: true })).toEqual({ kind: 'undoGuard' });
    expect(act({ guarded: true, pause: 'halted', schemaChanged: true })).toEqual({ kind: 'undoGuard' });
    expect(act({ guarded: true, phase: 'enforced' })).toEqual({ kind: 'wait', reason: 'AwaitingFinish' });
  });

  it('asks for the cutover itself when the plan says so, once ready, and goes on with the operation it asked for', () => {
    expect(act({ autoDue: true })).toEqual({ kind: 'askForCutover' });
    expect(act({ autoDue: true, ready: false })).toEqual({ kind: 'wait', reason: 'AwaitingCutover' });
    expect(act({ autoDue: true, pause: 'paused' })).toEqual({ kind: 'wait', reason: 'Paused' });
    expect(act({ autoDue: true, cutoverOperationId: 'one' })).toEqual({ kind: 'cutover', operationId: 'one' });
  });

  it('adds no column while halted', () => {
    expect(act({ phase: 'preflighted', pause: 'halted' })).toEqual({ kind: 'wait', reason: 'Halted' });
  });

  it('begins a cutover only while it is ready', () => {
    expect(act({ cutoverOperationId: 'one' })).toEqual({ kind: 'cutover', operationId: 'one' });
    expect(act({ cutoverOperationId: 'one', ready: false })).toEqual({ kind: 'wait', reason: 'AwaitingCutover' });
  });
});
