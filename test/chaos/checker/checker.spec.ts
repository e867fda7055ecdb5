import { describe, expect, it } from 'vitest';
import { check, print, violated } from './check.js';
import { at, goodHistory } from './good-history.js';
import type { History } from './history.js';

const first = <T>(items: readonly T[]): T => items[0] as T;
const broken = (history: History): string[] => violated(check(history)).map(({ invariant }) => invariant);

const good = goodHistory;
const { end, writes, events } = good;
const lastSample = good.catalog[good.catalog.length - 1] ?? first(good.catalog);

function promise(how: 'empty' | 'invisible') {
  const { partition, offset, table, key, xid } = first(good.hints);
  return { at: at(4), how, xid, partition, offset, committed: offset + 1n, table, key };
}
const wait = (ms: number) => ({ by: 'application', for: 'highwater/one/ddl', kind: 'table' as const, ms });
const logged = (type: string) => events.find((one) => one.type === type) ?? first(events);

/** What happened, which invariants say so, the history. */
const bad: readonly [string, string[], Partial<History>][] = [
  ['another column changed with the target', ['I1'], { writes: writes.map((w) => ({ ...w, otherChanged: true })) }],
  ['a value was overwritten', ['I2'], { writes: writes.map((w, i) => ({ ...w, hadValue: i === 1 })) }],
  ['a value was taken away', ['I2'], { writes: writes.map((w, i) => ({ ...w, hasValue: i !== 1 })) }],
  ['a value of no state of the database', ['I3'], { writes: writes.map((w, i) => ({ ...w, asRule: i !== 2 })) }],
  ['the oracle disagrees at the end', ['I3'], { end: { ...end, wrongRows: { Group: 2 } } }],
  ['more counted than filled', ['I4'], { end: { ...end, counted: 4 } }],
  ['a row was forgotten', ['I5', 'I12'], { end: { ...end, rowsWithoutValue: { Group: ['x'] } } }],
  [
    'an entry stayed open',
    ['I12'],
    { end: { ...end, openUnfillable: [{ table: 'Group', key: 'x', reason: 'NoMatch' }] } },
  ],
  ['acknowledged before it was stored', ['I6'], { hints: good.hints.map((h) => ({ ...h, storedAt: at(4) })) }],
  ['acknowledged and never stored', ['I6'], { hints: [] }],
  ['a hint under another transaction is another hint', ['I6'], { hints: good.hints.map((h) => ({ ...h, xid: 701n })) }],
  ['acknowledged and never counted', ['I6'], { bridgeMessages: [{ lsn: 280n }, { lsn: 290n }] }],
  ['an offset before its effect', ['I6'], { brokenPromises: [promise('empty')] }],
  ['an offset before the row was visible', ['I6'], { contended: 5, brokenPromises: [promise('invisible')] }],
  ['progress went back', ['I7'], { progress: [...good.progress, { at: at(6), counters: { 'live 0': 0 } }] }],
  ['a fill while halted', ['I8'], { stops: [{ verb: 'halt', acknowledgedAt: at(2.5), endedAt: at(3.5) }] }],
  ['a sweep write while paused', ['I8'], { stops: [{ verb: 'pause', acknowledgedAt: at(3.5), endedAt: at(4.5) }] }],
  [
    'an application waited behind our lock',
    ['I9'],
    { catalog: [...good.catalog, { ...lastSample, waits: [wait(900)] }] },
  ],
  ['an application statement failed', ['I10'], { applicationErrors: { 23514: 1 } }],
  [
    'a check over a row without value',
    ['I11'],
    { schemaChanges: good.schemaChanges.map((c) => ({ ...c, rowsWithoutValue: 1 })) },
  ],
  ['a version is missing', ['I15', 'I19'], { events: events.filter(({ version }) => version !== 5) }],
  ['history could be changed', ['I15'], { end: { ...end, historyChangesAllowed: ['UPDATE as hw_state'] } }],
  ['the replay says something else', ['I15'], { end: { ...end, replayedPhase: 'bridged' } }],
  [
    'enforced without a guard',
    ['I16'],
    { events: events.map((e) => (e.type === 'Guarded' ? { ...e, type: 'Noted' } : e)) },
  ],
  ['enforced in the log alone', ['I16'], { end: { ...end, notNull: [] } }],
  ['a slot is left', ['I17'], { end: { ...end, slots: ['hw_1'] } }],
  [
    'two slots for long',
    ['I17'],
    { catalog: [5, 30].map((s) => ({ ...lastSample, at: at(s), slots: [...lastSample.slots, ...lastSample.slots] })) },
  ],
  [
    'a zombie moved a range',
    ['I18'],
    { rangeSteps: [...good.rangeSteps].map((s, i) => ({ ...s, token: BigInt(2 - i) })) },
  ],
  ['two owners under one token', ['I18'], { rangeSteps: good.rangeSteps.map((s) => ({ ...s, token: 1n })) }],
  ['an event was never published', ['I19'], { published: good.published.slice(0, -1) }],
  ['published before its predecessor', ['I19'], { published: good.published.filter(({ version }) => version !== 4) }],
  ['a row value in a log', ['I20'], { end: { ...end, canaries: ['log service.log'] } }],
  ['ready with a condition unmet', ['I21'], { readiness: good.readiness.map((r) => ({ ...r, ready: true })) }],
  ['ready without a fence', ['I21'], { fences: [] }],
  ['ready by a fence of before the bridge', ['I21'], { fences: good.fences.map((f) => ({ ...f, writtenAt: at(4) })) }],
  ['ready by a fence still under way', ['I21'], { fences: good.fences.map((f) => ({ ...f, arrived: 1 })) }],
  [
    'one operation began two attempts',
    ['I22'],
    {
      events: [...events, { ...logged('CutoverBegan'), version: 9, position: 60 }],
      published: [...good.published, { id: 'm/9', version: 9 }],
    },
  ],
  ['nobody did it', ['I23'], { events: events.map((e) => ({ ...e, actor: '' })) }],
  ['a process grew', ['I24'], { processes: good.processes.map((p) => ({ ...p, residentBytes: 2 * 1024 ** 3 })) }],
  [
    'a transaction was left open',
    ['L6'],
    { catalog: [{ ...lastSample, idleInTransaction: [{ by: 'highwater/one/fill', ms: 9_000 }] }] },
  ],
];

describe('the checker', () => {
  it('has nothing against a good history, and looked at all of it', () => {
    const verdicts = check(good);
    expect(violated(verdicts)).toEqual([]);
    expect(verdicts.filter(({ judged }) => judged === 0).map(({ invariant }) => invariant)).toEqual(['I9', 'I12']);
  });

  it.each(bad)('%s: %j', (_what, invariants, change) => {
    expect(broken({ ...good, ...change })).toEqual(invariants);
  });

  it('knows a bad history for each of its invariants', () => {
    const covered = new Set(bad.flatMap(([, invariants]) => invariants));
    expect(
      check(good)
        .map(({ invariant }) => invariant)
        .filter((one) => !covered.has(one)),
    ).toEqual([]);
  });

  it.each<[string, Partial<History>]>([
    [
      'a hint that was given up as contended belongs to the tail pass',
      { contended: 1, brokenPromises: [promise('empty')] },
    ],
    ['a forged hint promises nothing', { brokenPromises: [{ ...promise('empty'), xid: 9_999n }] }],
    [
      'a slot that somebody advanced promises nothing from then on',
      { hints: [], tampered: [{ at: at(2.9), what: 'advanced' }] },
    ],
    ['what the topic held after it was last read cannot be judged', { hints: [], readUpTo: { 1: at(2) } }],
    [
      'a frozen process holds its lock until the idle timeout',
      { catalog: [{ ...lastSample, waits: [wait(2_000)] }], disturbed: [{ from: at(4), to: at(6) }] },
    ],
    ['a live fill may go on while paused', { stops: [{ verb: 'pause', acknowledgedAt: at(2.5), endedAt: at(3.5) }] }],
  ])('%s', (_what, change) => {
    expect(broken({ ...good, ...change })).toEqual([]);
  });

  it('prints a line for each invariant, with its first witnesses', () => {
    const lines = print(check({ ...good, applicationErrors: { 23514: 2, 23502: 1 } }), 1);
    expect(lines.filter((line) => /^I10 FAIL/.test(line))).toHaveLength(1);
    expect(lines.filter((line) => /× 2|and 1 more|× 1/.test(line))).toHaveLength(2);
    expect(lines.filter((line) => /^[IL]\d/.test(line))).toHaveLength(check(good).length);
  });
});
