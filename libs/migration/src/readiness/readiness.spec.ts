import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Condition, ConditionType } from './condition.js';
import type { ObservationName, Observations } from './observations.js';
import { observationAgeMsMax } from './observations.js';
import type { Readiness } from './readiness.js';
import { evaluateReadiness } from './readiness.js';
import type { ReadinessSubject } from './subject.js';

const start = Date.UTC(2026, 8, 5, 10, 0, 0);
const at = (seconds: number): string => new Date(start + seconds * 1_000).toISOString();
const now = (seconds: number): Date => new Date(start + seconds * 1_000);

const subject: ReadinessSubject = {
  migration: 'organization-to-workspace',
  planHash: 'h1',
  mode: 'bridge',
  stream: true,
  approvalsRequired: 0,
  approvedBy: [],
  held: null,
  targets: [
    { table: 'public.Activity', target: 'workspaceId', notNull: true },
    { table: 'public.DataExport', target: 'workspaceId', notNull: false },
  ],
};

/** Everything seen at `seconds`, and all of it good; the bridge stands since second 0. */
const good = (seconds = 600): Required<Observations> => {
  const seen = { at: at(seconds) };
  return {
    preflight: { ...seen, failures: [], unacceptedWarnings: [] },
    schema: { ...seen, fingerprintExpected: 'f', fingerprintFound: 'f' },
    publication: { ...seen, intact: true, difference: '' },
    slot: { ...seen, active: true, walStatus: 'reserved', retainedBytes: 1_000, safeBytes: 9_000, limitBytes: 10_000 },
    stream: {
      ...seen,
      fence: {
        token: 'f-9931',
        writtenAt: at(seconds - 1),
        reachedAt: seen.at,
        partitions: 4,
        reached: 4,
        roundTripMs: 412,
        stuck: [],
      },
    },
    sweep: { ...seen, rangesOpen: 0, rangesDone: 8, workers: 0, rowsRemainingEstimated: 0, tailPassesDone: 1 },
    nulls: { ...seen, perTable: [{ table: 'public.Activity', target: 'workspaceId', count: 0, listedUnfillable: 0 }] },
    unfillable: { ...seen, total: 0, byReason: {} },
    bridge: {
      ...seen,
      mode: 'assign',
      installedAt: at(0),
      enabledEverywhere: true,
      windowMs: 600_000,
      unresolvedInWindow: 0,
    },
    entities: { ...seen, perEntity: [] },
    verification: { ...seen, checked: 1_000, mismatches: 0 },
    lockBlockers: { ...seen, blockers: [] },
  };
};

const evaluate = (
  change: Partial<Observations> = {},
  previous?: Readiness,
  seconds = 600,
  about = subject,
): Readiness => evaluateReadiness(about, { ...good(seconds), ...change }, previous, now(seconds));
const one = (readiness: Readiness, type: ConditionType): Condition => {
  const found = readiness.conditions.find((condition) => condition.type === type);
  if (!found) throw new Error(`no condition ${type}`);
  return found;
};
const unmet = (readiness: Readiness): string[] =>
  readiness.conditions.filter((c) => c.status !== 'True').map((c) => `${c.type} ${c.status} ${c.reason}`);

describe('readiness', () => {
  it('is ready when every condition is True, in the order of the design', () => {
    const readiness = evaluate();
    expect(unmet(readiness)).toEqual([]);
    expect(readiness).toMatchObject({ ready: true, generation: '1', evaluatedAt: at(600) });
    expect(readiness.conditions).toHaveLength(12);
    expect(one(readiness, 'StreamCaughtUp').message).toBe(
      'Fence f-9931 came back through 4 of 4 partitions in 412 ms.',
    );
  });

  it.each(Object.keys(good()) as ObservationName[])('does not know without %s: absent, failed, or too old', (name) => {
    const { [name]: _absent, ...rest } = good();
    const absent = evaluateReadiness(subject, rest, undefined, now(600));
    expect(unmet(absent)).toEqual([expect.stringContaining('Unknown NotObserved')]);
    const failed = evaluate({ [name]: { at: at(600), error: 'server away' } });
    expect(unmet(failed)).toEqual([expect.stringContaining('Unknown ObservationFailed')]);
    const ageMsMax = observationAgeMsMax[name];
    if (ageMsMax === null) return;
    const old = evaluateReadiness(
      subject,
      { ...good(600 + ageMsMax / 1_000 + 1), [name]: good(600)[name] },
      undefined,
      now(601 + ageMsMax / 1_000),
    );
    expect(unmet(old)).toEqual([expect.stringContaining('Unknown ObservationStale')]);
    expect(old.ready).toBe(false);
  });

  const perEntity = (of: { missing: number | null; createdBy?: 'application' }) => ({
    entities: {
      at: at(600),
      perEntity: [{ table: 'public.Workspace', from: 'public.Organization', createdBy: 'highwater', ...of }],
    } as const,
  });

  it('is not ready while a source has no entity, says which and who makes it', () => {
    const missing = one(evaluate(perEntity({ missing: 3 })), 'Verified');
    expect(missing).toMatchObject({ status: 'False', reason: 'EntitiesMissing', evidence: { 'public.Workspace': 3 } });
    expect(missing.message).toBe(
      '3 rows of public.Organization without public.Workspace: they are made by the next pass; counted again while any is missing.',
    );
    const theirs = one(evaluate(perEntity({ missing: 1, createdBy: 'application' })), 'Verified');
    expect(theirs.message).toContain('the application makes them');
    expect(one(evaluate(perEntity({ missing: null })), 'Verified')).toMatchObject({
      status: 'Unknown',
      reason: 'EntitiesNotCounted',
    });
    expect(evaluate(perEntity({ missing: 0 })).ready).toBe(true);
  });

  const seen = { at: at(600) };
  it.each<[string, Partial<Observations>, string]>([
    [
      'a failed check',
      { preflight: { ...seen, failures: [{ check: 'WalLevel', message: 'm' }], unacceptedWarnings: [] } },
      'PreflightPassed False ChecksFailed',
    ],
    [
      'a warning nobody accepted',
      { preflight: { ...seen, failures: [], unacceptedWarnings: ['X'] } },
      'PreflightPassed False WarningsNotAccepted',
    ],
    [
      'a changed schema',
      { schema: { ...seen, fingerprintExpected: 'f', fingerprintFound: 'g' } },
      'SchemaUnchanged False SchemaChanged',
    ],
    [
      'a changed publication',
      { publication: { ...seen, intact: false, difference: 'oid' } },
      'PublicationIntact False Changed',
    ],
    [
      'a lost slot',
      { slot: { ...seen, active: false, walStatus: 'lost', retainedBytes: 0, safeBytes: null, limitBytes: 1 } },
      'SlotHealthy False Lost',
    ],
    [
      'no slot',
      { slot: { ...seen, active: false, walStatus: null, retainedBytes: 0, safeBytes: null, limitBytes: 1 } },
      'SlotHealthy False Missing',
    ],
    [
      'a slot near its limit',
      { slot: { ...seen, active: true, walStatus: 'extended', retainedBytes: 91, safeBytes: 9, limitBytes: 100 } },
      'SlotHealthy False NearLimit',
    ],
    [
      'no relay',
      { slot: { ...seen, active: false, walStatus: 'reserved', retainedBytes: 0, safeBytes: 9, limitBytes: 100 } },
      'SlotHealthy False Inactive',
    ],
    [
      'open ranges',
      { sweep: { ...seen, rangesOpen: 2, rangesDone: 6, workers: 2, rowsRemainingEstimated: 10, tailPassesDone: 0 } },
      'SweepComplete False RangesOpen',
    ],
    [
      'no tail pass',
      { sweep: { ...seen, rangesOpen: 0, rangesDone: 6, workers: 2, rowsRemainingEstimated: 0, tailPassesDone: 0 } },
      'SweepComplete False TailPassPending',
    ],
    ['a table nobody counted', { nulls: { ...seen, perTable: [] } }, 'NullCountZero Unknown NotCounted'],
    [
      'unfillable rows',
      { unfillable: { ...seen, total: 2, byReason: { InputNull: 2 } } },
      'NoUnfillableRows False RowsListed',
    ],
    [
      'a unique index that is not built yet',
      { unfillable: { ...seen, total: 0, byReason: {}, uniquePending: ['Connection_key'] } },
      'NoUnfillableRows Unknown UniqueNotBuilt',
    ],
    [
      'an assertion that found something',
      { verification: { ...seen, checked: 9, mismatches: 0, assertions: [{ name: 'a', found: 2, error: null }] } },
      'Verified False AssertionFailed',
    ],
    ['a mismatch', { verification: { ...seen, checked: 9, mismatches: 1 } }, 'Verified False Mismatches'],
  ])('is not ready with %s', (_what, change, expected) => {
    expect(unmet(evaluate(change))).toEqual([expected]);
  });

  it('names the rows that are still NULL, and passes over targets that may stay NULL', () => {
    const nulls = {
      ...seen,
      perTable: [
        { table: 'public.Activity', target: 'workspaceId', count: 37, listedUnfillable: 37 },
        { table: 'public.DataExport', target: 'workspaceId', count: 5, listedUnfillable: 5 },
      ],
    };
    expect(one(evaluate({ nulls }), 'NullCountZero')).toMatchObject({
      status: 'False',
      reason: 'RowsRemaining',
      message: '37 rows of public.Activity have no workspaceId; all 37 listed as unfillable.',
      evidence: { 'public.Activity': 37 },
    });
  });

  it('names the blocker of a lock and how long it has held it', () => {
    const blockers = [
      {
        pid: 42,
        applicationName: 'pg_dump',
        since: at(410),
        table: 'public.Activity',
        mode: 'AccessShareLock',
        kind: 'session' as const,
      },
    ];
    expect(one(evaluate({ lockBlockers: { ...seen, blockers } }), 'NoLockBlockers')).toMatchObject({
      status: 'False',
      reason: 'LockHeld',
      message: 'pg_dump (pid 42) has held AccessShareLock on public.Activity for 00:03:10; it clears when that ends.',
    });
  });

  it('waits a whole window after the bridge, after the last NULL, and after a break of its reports', () => {
    const bridge = good().bridge;
    if ('error' in bridge) throw new Error('unreachable');
    const left = { ...bridge, lastUnresolved: { applicationName: 'billing-api', at: at(410) }, unresolvedInWindow: 1 };
    expect(one(evaluate({ bridge: left }), 'BridgeResolves')).toMatchObject({
      status: 'Unknown',
      reason: 'WindowNotElapsed',
      message: 'billing-api left a NULL 00:03:10 ago; need 00:10:00 without one.',
      evidence: { application_name: 'billing-api' },
    });
    expect(one(evaluate({}, undefined, 599), 'BridgeResolves').status).toBe('Unknown');
    expect(one(evaluate({ bridge: { ...bridge, brokenAt: at(100) } }), 'BridgeResolves').status).toBe('Unknown');
    const { installedAt: _none, ...notInstalled } = bridge;
    expect(unmet(evaluate({ bridge: notInstalled }))).toEqual(['BridgeResolves False NotInstalled']);
    expect(unmet(evaluate({ bridge: { ...bridge, enabledEverywhere: false } }))).toEqual([
      'BridgeResolves False Disabled',
    ]);
  });

  it('has WritersConverted in mode strict, and approvals when the plan asks', () => {
    const strict: ReadinessSubject = { ...subject, mode: 'strict', approvalsRequired: 2, approvedBy: ['ada'] };
    const readiness = evaluate({}, undefined, 600, strict);
    expect(one(readiness, 'WritersConverted')).toMatchObject({ status: 'True', reason: 'NoNullWriters' });
    expect(readiness.conditions.some((c) => c.type === 'BridgeResolves')).toBe(false);
    expect(unmet(readiness)).toEqual(['Approved Unknown Missing']);
    expect(evaluate({}, undefined, 600, { ...strict, approvedBy: ['ada', 'bob'] }).ready).toBe(true);
  });

  it('is not ready while held, says by whom and since when, and what clears it', () => {
    const held = { ...subject, held: { at: at(0), actor: 'rosa', reason: 'busy evening' } };
    const readiness = evaluate({}, evaluate(), 601, held);
    expect(readiness).toMatchObject({ ready: false, generation: '2' });
    expect(unmet(readiness)).toEqual(['Approved False Held']);
    expect(one(readiness, 'Approved').message).toBe(
      `Held by rosa since ${at(0)}: busy evening; \`highwater release\` clears it.`,
    );
  });

  it('is Unknown about the bridge and False about the stream when the stream is broken', () => {
    const stream = { ...seen, broken: { reason: 'SlotLost', message: 'wal_status lost' } };
    expect(unmet(evaluate({ stream }))).toEqual([
      'StreamCaughtUp False StreamBroken',
      'BridgeResolves Unknown StreamBroken',
    ]);
  });

  it('needs no stream when the plan has none', () => {
    const { publication: _p, slot: _s, stream: _f, ...rest } = good();
    const readiness = evaluateReadiness({ ...subject, stream: false }, rest, undefined, now(600));
    expect(readiness.ready).toBe(true);
    expect(one(readiness, 'SlotHealthy').reason).toBe('NoStream');
  });

  it('does not flicker while a fence is under way, and names the partition when it is late', () => {
    const fence = {
      token: 'f-2',
      writtenAt: at(598),
      partitions: 4,
      reached: 3,
      stuck: [{ partition: 2, parked: 5, contended: 0 }],
    };
    const first = evaluate();
    expect(evaluate({ stream: { ...seen, fence } }, first)).toMatchObject({
      ready: true,
      generation: first.generation,
    });
    expect(one(evaluate({ stream: { ...seen, fence } }), 'StreamCaughtUp').reason).toBe('FenceUnderWay');
    const late = evaluate({ stream: { ...seen, fence: { ...fence, writtenAt: at(580) } } }, first);
    expect(one(late, 'StreamCaughtUp')).toMatchObject({
      status: 'False',
      reason: 'FenceLate',
      message: expect.stringContaining('waiting for partition 2 (parked 5, contended 0)'),
    });
    expect(late.generation).toBe('2');
  });

  it('wants a verification that is younger than the bridge', () => {
    expect(unmet(evaluate({ verification: { at: at(-5), checked: 1, mismatches: 0 } }))).toEqual([
      'Verified Unknown BeforeBridge',
    ]);
  });

  it('moves the generation with status, reason or plan, and not with evidence or time', () => {
    const first = evaluate();
    const later = evaluate({}, first, 605);
    expect(later.generation).toBe('1');
    expect(later.conditions.every((c) => c.lastTransitionTime === at(600))).toBe(true);
    const worse = evaluate({ unfillable: { at: at(606), total: 1, byReason: { InputNull: 1 } } }, later, 606);
    expect(worse.generation).toBe('2');
    expect(one(worse, 'NoUnfillableRows').lastTransitionTime).toBe(at(606));
    expect(one(worse, 'Verified').lastTransitionTime).toBe(at(600));
    expect(evaluate({}, first, 605, { ...subject, planHash: 'h2' }).generation).toBe('2');
  });

  it('I21: ready exactly when all conditions are True, whatever was seen', () => {
    const names = Object.keys(good()) as ObservationName[];
    fc.assert(
      fc.property(fc.subarray(names), fc.nat(100), (missing, seconds) => {
        const observations = Object.fromEntries(
          Object.entries(good()).filter(([name]) => !missing.includes(name as ObservationName)),
        );
        const readiness = evaluateReadiness(subject, observations, undefined, now(600 + seconds));
        expect(readiness.ready).toBe(unmet(readiness).length === 0);
        if (missing.length > 0 || seconds > 60) expect(readiness.ready).toBe(false);
      }),
      { seed: 8 },
    );
  });
});
