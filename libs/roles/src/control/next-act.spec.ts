import { describe, expect, it } from 'vitest';
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
