import { messageOf, type UnfillableReason } from '@highwater/kernel';
import { policyOf } from '@highwater/plan';
import type { LiveMigration, Observations, Observed, UnfillableSeen, VerificationSeen } from '@highwater/migration';
import {
  countCollisions,
  describeBlocker,
  pendingIndexes,
  readBlockers,
  readBridgeFacts,
  readVerification,
  type BridgeUse,
  type TargetProgress,
} from '@highwater/target-db';
import { uniqueIndexesOf } from './acts/unique-indexes.js';
import { currentFence, isReached, roundTripMs } from './acts/fence.js';
import type { EntitiesSeen } from './entity-status.js';
import { entitiesSeen, listedEntities } from './observe-entities.js';
import { streamInfo, type ControlContext } from './context.js';
import { readSchemaFingerprint } from './footprint.js';
import { publicationSeen, slotSeen } from './observe-stream.js';
import { countedOf, type NullCounts } from './null-counts.js';
import type { ProcessState } from './process-state.js';

/** A transaction that ends by itself within seconds is no obstacle to a bounded lock attempt; an older one is. */
const blockerAgeMsMin = 5_000;

type Loose = { -readonly [Name in keyof Observations]: Observations[Name] };

/** Looks at everything readiness is judged by. What cannot be looked at is an observation too: it makes its condition Unknown. */
export async function observe(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  given: {
    nulls: NullCounts;
    progress: readonly TargetProgress[];
    entities: EntitiesSeen;
    uses: readonly BridgeUse[];
    clock: () => Date;
    unfit?: string | undefined;
  },
): Promise<Observations> {
  const { database } = context;
  const seen: Loose = {};
  const look = async <T>(what: () => Promise<T>): Promise<Observed<T>> => {
    const at = given.clock().toISOString();
    try {
      return { at, ...(await what()) } as Observed<T>;
    } catch (error) {
      return { at, error: messageOf(error) };
    }
  };
  const relids = [...new Set(process.targets.map((target) => target.derivation.table.relid))];

  if (state.preflight) {
    seen.preflight = {
      at: given.clock().toISOString(),
      failures: [],
      unacceptedWarnings: state.preflight.warnings.filter((name) => !state.preflight?.acceptedWarnings.includes(name)),
    };
    const fingerprintExpected = state.preflight.fingerprint;
    seen.schema = await look(async () => {
      const { hash, lines } = await readSchemaFingerprint(database.state, process);
      const gone = lines.filter((line) => line.includes('(gone)'));
      if (given.unfit === undefined)
        return { fingerprintExpected, fingerprintFound: hash, difference: gone.join(', ') };
      // a dropped key, say, is in no fingerprint, and the plan cannot be carried out without it
      return { fingerprintExpected, fingerprintFound: `${hash} unfit`, difference: given.unfit };
    });
  }
  const info = streamInfo(state);
  if (state.streamPlanned && info) {
    seen.publication = await look(() => publicationSeen(context, process, state, info));
    seen.slot = await look(() => slotSeen(context, process, info));
    seen.stream = await look(async () => {
      if (state.stream === 'broken' && state.streamBreak)
        return { broken: { reason: state.streamBreak.reason, message: state.streamBreak.message } };
      const fence = await currentFence(context, process, state);
      // a fence written before the bridge proves nothing about rows of writers that were under way when it was installed
      if (!fence || (state.bridge !== null && fence.writtenAt.toISOString() < state.bridge.at)) return {};
      return {
        fence: {
          token: fence.token,
          writtenAt: fence.writtenAt.toISOString(),
          ...(isReached(fence) && fence.lastArrivalAt
            ? { reachedAt: fence.lastArrivalAt.toISOString(), roundTripMs: roundTripMs(fence) }
            : {}),
          partitions: fence.partitions,
          reached: fence.arrived.length,
          stuck: Array.from({ length: fence.partitions }, (_, partition) => partition)
            .filter((partition) => !fence.arrived.includes(partition))
            .map((partition) => ({ partition, parked: 0, contended: 0 })),
        },
      };
    });
  }
  const open = given.progress.reduce((sum, one) => sum + one.openRanges, 0);
  seen.sweep = {
    at: given.clock().toISOString(),
    rangesOpen: state.sweepResult === null ? Math.max(open, 1) : open,
    rangesDone: given.progress.reduce((sum, one) => sum + one.doneRanges, 0),
    workers: state.limits.sweepWorkers,
    rowsRemainingEstimated: given.progress.reduce(
      (sum, one) => sum + Math.max(0, one.rowsEstimated - one.rowsScanned),
      0,
    ),
    tailPassesDone: given.progress.reduce((most, one) => Math.max(most, one.pass), 0) - (open > 0 ? 1 : 0),
  };
  const unfillableOf = (targetNo: number): Readonly<Record<string, number>> =>
    given.progress.find((one) => one.targetNo === targetNo)?.unfillable ?? {};
  const listed = (targetNo: number): number => Object.values(unfillableOf(targetNo)).reduce((a, b) => a + b, 0);
  if (given.nulls.indexed)
    seen.nulls = {
      at: given.clock().toISOString(),
      perTable: countedOf(given.nulls, state.targets).map((one) => ({
        ...one,
        listedUnfillable: listed(one.targetNo),
      })),
    };
  const byReason: Record<string, number> = {};
  state.targets.forEach((target, targetNo) => {
    const entry = process.plan.tables[targetNo] ?? { notNull: target.notNull };
    for (const [reason, count] of Object.entries(unfillableOf(targetNo)))
      if (policyOf(entry, reason as UnfillableReason) === 'hold') byReason[reason] = (byReason[reason] ?? 0) + count;
  });
  const entities = listedEntities(process, given.entities, byReason);
  seen.unfillable = await look(async () => ({ ...(await unfillableSeen(context, process, byReason)), entities }));
  seen.bridge = await look(() => bridgeSeen(context, process, state, given.uses));
  seen.entities = { at: given.clock().toISOString(), ...entitiesSeen(process, state, given.entities) };
  const { verification } = state;
  if (verification) seen.verification = await look(() => verificationSeen(context, process, verification));
  seen.lockBlockers = await look(async () => ({
    blockers: (await readBlockers(database.state, relids, { minimumAgeMs: blockerAgeMsMin })).map((blocker) => ({
      pid: blocker.pid,
      applicationName: blocker.applicationName || describeBlocker(blocker),
      since: blocker.since,
      table: blocker.table,
      mode: blocker.mode,
      kind: blocker.kind,
    })),
  }));
  return seen;
}

/** The last one recorded, and what those that follow it have seen since: a mismatch counts as soon as it is found. */
async function verificationSeen(
  { database }: ControlContext,
  process: ProcessState,
  recorded: NonNullable<LiveMigration['verification']>,
): Promise<VerificationSeen & { at: string }> {
  const progress = (await readVerification(database.state, process.id)).filter((one) => one.runId.startsWith('again-'));
  const found = progress.reduce((sum, one) => sum + one.mismatches, 0);
  const done = progress.length > 0 && progress.every((one) => one.done);
  const againAt = done
    ? progress
        .map((one) => one.movedAt)
        .sort()
        .at(-1)
    : undefined;
  return {
    at: recorded.at,
    checked: recorded.checked,
    // what a plan with repair is about to set right is no obstacle yet
    mismatches: process.plan.repair ? recorded.mismatches : Math.max(recorded.mismatches, found),
    ...(recorded.assertions === undefined ? {} : { assertions: recorded.assertions }),
    ...(againAt === undefined ? {} : { againAt }),
  };
}

async function unfillableSeen(
  { database }: ControlContext,
  process: ProcessState,
  byReason: Readonly<Record<string, number>>,
): Promise<UnfillableSeen> {
  const collisions = await countCollisions(database.state, process.id);
  const colliding = collisions.reduce((sum, one) => sum + one.rows, 0);
  const all =
    colliding === 0 ? byReason : { ...byReason, UniqueConflict: (byReason['UniqueConflict'] ?? 0) + colliding };
  const planned = uniqueIndexesOf(process).map(({ target, index }) => ({
    relid: target.derivation.table.relid,
    name: index.name,
  }));
  return {
    total: Object.values(all).reduce((a, b) => a + b, 0),
    byReason: all,
    collisions: collisions.map(({ indexName, rows }) => ({ index: indexName, rows })),
    uniquePending: await pendingIndexes(database.state, planned),
    ...(process.uniqueTrouble === undefined ? {} : { uniqueTrouble: process.uniqueTrouble }),
  };
}

async function bridgeSeen(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  uses: readonly BridgeUse[],
): Promise<{
  mode: 'assign' | 'observe';
  installedAt?: string;
  brokenAt?: string;
  enabledEverywhere: boolean;
  windowMs: number;
  lastUnresolved?: { applicationName: string; at: string };
  unresolvedInWindow: number;
}> {
  const windowMs = state.windowMs;
  if (!state.bridge)
    return {
      mode: state.mode === 'strict' ? 'observe' : 'assign',
      enabledEverywhere: false,
      windowMs,
      unresolvedInWindow: 0,
    };
  let enabledEverywhere = true;
  for (const target of process.targets) {
    const facts = await readBridgeFacts(context.database.state, target);
    enabledEverywhere = enabledEverywhere && facts.triggerExists && facts.enabledEverywhere;
  }
  const mode = state.bridge.mode;
  const notNull = (targetNo: number): boolean => state.targets[targetNo]?.notNull ?? true;
  const unresolved = uses.filter((use) => (mode === 'observe' || use.outcome !== 'resolved') && notNull(use.targetNo));
  const last = unresolved[0];
  return {
    mode,
    installedAt: state.bridge.at,
    // what was reported between a break and the stream that followed it was read by nobody
    ...(state.streamSince !== null && state.streamSince > state.bridge.at ? { brokenAt: state.streamSince } : {}),
    enabledEverywhere,
    windowMs,
    ...(last
      ? { lastUnresolved: { applicationName: last.applicationName || 'an unnamed application', at: last.lastAt } }
      : {}),
    unresolvedInWindow: unresolved.filter((use) => use.lastAgeMs < windowMs).length,
  };
}
