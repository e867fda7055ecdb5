import {
  closeUnfillable,
  closeUnfillableEntities,
  fillBatch,
  markOperation,
  openOperations,
  openUnfillableKeys,
  type FillTarget,
  type GateName,
  type HintVerdict,
} from '@highwater/target-db';
import { HighwaterError } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import { stopped } from '../codes.js';
import { gateOf, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { plannedEntities } from '../planned-entities.js';
import { entriesNamed } from '../targets-named.js';
import { retryEntities } from './retry-entities.js';

/** Rows of one fill transaction: bad rows are bisected, and most of these are bad. */
const batchRows = 100;
/** In the tally beside the Kafka partitions: what was filled because somebody asked. */
const onDemand = -1;

type Outcome = Record<HintVerdict['verdict'], number> & { closed: number };

/**
 * Derives and writes the listed rows again, at once instead of with the next tail pass. Repeating it is harmless: rows that got a value are
 * no longer listed.
 */
export async function retryUnfillable(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const { database } = context;
  const operation = (await openOperations(database.state, process.id)).find((one) => one.verb === 'retry');
  if (!operation) return;
  if (operation.status === 'accepted') await markOperation(database.state, operation.id, 'running');
  const { table, reason } = operation.request as { table?: string; reason?: string };
  const named = entriesNamed(process.id, state.targets, plannedEntities(state), table);
  const outcome: Outcome = {
    filled: 0,
    already: 0,
    gone: 0,
    unfillable: 0,
    contended: 0,
    parked: 0,
    dead_letter: 0,
    closed: 0,
  };
  // entities first: rows may be listed for want of them
  const entities = { made: 0, closed: 0 };
  for (const target of process.entities.filter((one) => named.entities.includes(one.entityNo))) {
    const gate = retryGate(state);
    const reasons = reason === undefined ? null : [reason];
    const made = await retryEntities(database, target, { reasons, gate, limits: state.limits }, signal);
    if (made === 'gateClosed') throw retryStopped(target.migrationId, gate);
    entities.made += made;
    entities.closed += await closeUnfillableEntities(database.fill, target, signal);
  }
  for (const target of process.targets.filter((one) => named.targets.includes(one.targetNo))) {
    await retryTarget(context, state, target, reason ?? null, outcome, signal);
    outcome.closed += await closeUnfillable(database.fill, target);
  }
  const { dead_letter: _never, parked: _neither, ...result } = outcome;
  const all = process.entities.length === 0 ? result : { ...result, entities };
  await markOperation(database.state, operation.id, 'succeeded', { result: all });
}

/** It stops with the sweep: a pause asks for less work on the server. */
const retryGate = (state: LiveMigration): GateName => (gateOf(state).sweep ? 'sweep' : 'live');

const retryStopped = (migration: string, gate: GateName): HighwaterError =>
  new HighwaterError(
    stopped,
    'never',
    `retry ended: the ${gate === 'sweep' ? 'sweep' : 'fill'} of migration "${migration}" was stopped meanwhile`,
    { migration },
    'resume it, then retry again',
  );

async function retryTarget(
  { database }: ControlContext,
  state: LiveMigration,
  target: FillTarget,
  reason: string | null,
  outcome: Outcome,
  signal: AbortSignal,
): Promise<void> {
  const gate = retryGate(state);
  for (let after: readonly string[] | null = null; ;) {
    signal.throwIfAborted();
    const keys: string[][] = await openUnfillableKeys(database.state, target, { reason, after, limit: batchRows });
    const last = keys.at(-1);
    if (!last) return;
    // nobody waits for a listed row to become visible: it was looked at before
    const hints = keys.map((key) => ({ key, xid: '0', partition: onDemand, forced: true, lastLook: true }));
    const filled = await fillBatch(database.fill, target, hints, state.limits, gate);
    if (filled.kind === 'gateClosed') throw retryStopped(target.migrationId, gate);
    for (const { verdict } of filled.verdicts) outcome[verdict] += 1;
    after = last;
  }
}
