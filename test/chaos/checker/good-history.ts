import type { CatalogSample, History, LoggedEvent } from './history.js';

/** Hand-written: three rows of one table, filled by the sweep, by a hint and by the tail pass; guarded, enforced, finished. */
const at = (seconds: number): number => 1_000_000 + seconds * 1_000;

const event = (version: number, seconds: number, type: string, data: Record<string, unknown> = {}): LoggedEvent => ({
  ...{ version, position: version + 40, at: at(seconds), type, data },
  ...{ actor: 'test', operationId: null },
});

const write = (seconds: number, key: string) => ({
  ...{ at: at(seconds), committedAt: at(seconds) + 2, by: 'highwater/one/fill', table: 'Group', key },
  ...{ hadValue: false, hasValue: true, otherChanged: false, asRule: true },
});

const sample = (seconds: number, acknowledged: bigint): CatalogSample => ({
  at: at(seconds),
  slots: [{ name: 'hw_1', acknowledged }],
  publications: ['hw_1'],
  ...{ connections: 9, idleInTransaction: [], waits: [] },
});

export const goodHistory: History = {
  migration: 'm',
  plannedTables: ['Group'],
  stream: true,
  writes: [write(2, 'a'), write(3, 'b'), write(4, 'c')],
  rangeSteps: [
    { committedAt: at(2), range: '1/0/0/0', token: 1n, owner: 'one', filled: 1 },
    { committedAt: at(4), range: '1/0/0/0', token: 2n, owner: 'two', filled: 1 },
  ],
  inserts: [{ table: 'Group', key: 'b', xid: 700n, endLsn: 200n }],
  bridgeMessages: [{ lsn: 280n }],
  hints: [{ epoch: 1, partition: 0, offset: 0n, table: 'Group', key: 'b', xid: 700n, storedAt: at(3) - 100 }],
  readUpTo: { 1: at(20) },
  brokenPromises: [],
  contended: 0,
  catalog: [sample(1.5, 100n), sample(3, 200n), sample(5, 300n)],
  progress: [
    { at: at(2), counters: { 'scanned 1/0/0': 1 } },
    { at: at(4), counters: { 'scanned 1/0/0': 3, 'live 0': 1 } },
    { at: at(5.5), counters: { bridged: 1 } },
  ],
  schemaChanges: [
    { at: at(9), by: 'highwater/one/ddl', table: 'Group', checks: 1, notNull: false, rowsWithoutValue: 0 },
    { at: at(10), by: 'highwater/one/ddl', table: 'Group', checks: 0, notNull: true, rowsWithoutValue: 0 },
  ],
  events: [
    event(1, 0, 'Planned'),
    event(2, 1, 'StreamOpened', { epoch: 1, slot: 'hw_1', consistentPoint: '0/64' }),
    event(3, 5, 'Bridged'),
    event(4, 7, 'BecameReady', { generation: 'g' }),
    { ...event(5, 8, 'CutoverBegan'), operationId: 'o-1' },
    event(6, 9, 'Guarded', { table: 'public.Group' }),
    event(7, 10, 'Enforced', { table: 'public.Group', steps: [] }),
    { ...event(8, 12, 'Finished'), operationId: 'o-2' },
  ],
  published: [1, 2, 2, 3, 4, 5, 6, 7, 8].map((version) => ({ id: `m/${version}`, version })),
  fences: [{ epoch: 1, writtenAt: at(5.5), partitions: 2, arrived: 2, lastArrivalAt: at(6) }],
  readiness: [
    { at: at(6), generation: 'f', ready: false, conditions: [{ type: 'NullCountZero', status: 'False' }] },
    { at: at(7), generation: 'g', ready: true, conditions: [{ type: 'NullCountZero', status: 'True' }] },
  ],
  stops: [{ verb: 'halt', acknowledgedAt: at(2.5), endedAt: at(2.9) }],
  processes: [{ at: at(2), pid: 7, residentBytes: 150 * 1024 ** 2, openFiles: 40 }],
  tampered: [],
  disturbed: [],
  applicationErrors: {},
  limits: { lockBudgetMs: 500, rowBudgetMs: 200 },
  end: {
    rowsWithoutValue: { Group: [] },
    wrongRows: { Group: 0 },
    openUnfillable: [],
    notNull: ['Group'],
    counted: 3,
    phase: 'finished',
    replayedPhase: 'finished',
    historyChangesAllowed: [],
    canaries: [],
    slots: [],
    publications: [],
    expiredLeases: 0,
  },
};

export { at };
