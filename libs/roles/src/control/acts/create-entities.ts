import { formatDuration } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import {
  beginEntityPass,
  closeUnfillableEntities,
  createEntities,
  databaseError,
  endEntityPass,
  moveEntityPass,
  readEntityPasses,
  type Database,
  type EntityPass,
  type EntityTarget,
} from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import type { ControlContext } from '../context.js';
import { epochOf } from '../entity-passes.js';
import { countMissing, isLeft } from '../missing-entities.js';
import type { ProcessState } from '../process-state.js';
import { retryHeldEntities } from './retry-entities.js';

/** Longest time without looking whether the pass is still wanted. */
const roundMsMax = 1_000;
/** Source rows read at once. Most sources of an entity share it: only those whose entity is missing are worked at, in short transactions. */
const pageRows = 5_000;

/** Begins a pass over the sources of every entity; `entityRound` carries it out. */
export async function beginEntities(
  { database }: ControlContext,
  process: ProcessState,
  epoch: number,
  pass: number,
): Promise<void> {
  await beginEntityPass(database.state, process.id, {
    epoch,
    pass,
    sources: process.entities.map(({ entityNo, entity }) => ({ entityNo, relid: entity.source.relid })),
  });
}

/**
 * Makes the entities that are missing, for every row of their sources in the order of its key.
 *
 *   begun (act createEntities) ──▶ page … page of entity 0 ──what is missing is counted──▶ page … of entity 1 ──▶ … ──▶ all done
 *
 * Durable: the entities, then the cursor. A crash between the two does one page again, whose entities are there. In the plan's order, since
 * an entity may be the source of a later one. Those of the application are only counted, in
 * pages where one statement does not do it in time.
 */
export async function entityRound(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  if (process.entities.length === 0 || state.pause !== 'running') return;
  // a count reads for seconds, and the cutover's locks would wait behind it with the application behind them
  if (state.phase === 'cutting-over') return;
  try {
    if (await goOn(context, process, state, signal)) await retryHeldEntities(context, process, state, signal);
  } catch (error) {
    // what the status shows until the next round succeeds; a driver's own text may quote a value
    process.creating = databaseError(error, 'making entities').message;
    throw error;
  }
}

/** @returns whether no pass is under way. */
async function goOn(
  { database, metrics }: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<boolean> {
  for (const pass of await readEntityPasses(database.state, process.id)) {
    const target = process.entities[pass.entityNo];
    if (target === undefined || pass.done || pass.epoch !== epochOf(state)) continue;
    let { cursor, sourcesSeen } = pass;
    const counted = await needsNoPages(database, target, pass, state, signal);
    const began = performance.now();
    for (let ended = counted; !ended;) {
      if (signal.aborted || performance.now() - began > roundMsMax) return false;
      process.creating = progressText(target, pass, sourcesSeen);
      const page = await createEntities(
        database.fill,
        target,
        { kind: 'after', after: cursor, limit: pageRows },
        state.limits,
        'sweep',
      );
      if (page.kind === 'gateClosed') return false;
      const labels = { migration: process.id, table: target.entity.table.name, source: 'pass' };
      metrics.entitiesMade.inc(labels, page.made);
      await failpoint('control.afterEntityPage'); // its entities are committed, the cursor is not moved
      const seen = page.verdicts.length;
      const moved = await moveEntityPass(database.state, process.id, {
        ...pass,
        from: cursor,
        to: page.last ?? cursor,
        seen,
        left: page.verdicts.filter(isLeft).length,
      });
      // another process that leads by now did the page: its account of the pass is the one that counts
      if (!moved) return false;
      sourcesSeen += seen;
      // not when there are no more: sources with growing keys come faster than that, and those are for hints and the next pass
      ended = !page.more;
      cursor = page.last;
    }
    await closeUnfillableEntities(database.fill, target, signal);
    if (!counted) await countMissing(database, target, state, { pass: pass.pass, signal });
    await endEntityPass(database.state, process.id, pass);
  }
  process.creating = undefined;
  return !process.finishing;
}

/** What the application makes is only counted: in one statement, and page by page where that is not done in time. */
const needsNoPages = async (
  database: Database,
  target: EntityTarget,
  { cursor }: EntityPass,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<boolean> =>
  target.entity.createdBy === 'application' &&
  cursor === null &&
  (await countMissing(database, target, state, { signal })) !== null;

function progressText({ entity }: EntityTarget, pass: EntityPass, seen: number): string {
  const expected = Math.max(seen, pass.sourcesExpected);
  const rate = pass.tookMs > 0 ? pass.sourcesSeen / pass.tookMs : 0;
  const pace =
    rate === 0
      ? ''
      : `, ${Math.round(rate * 1_000).toLocaleString('en')} per second, about ${formatDuration((expected - seen) / rate)} left`;
  return `entities of ${entity.table.ident}: ${seen.toLocaleString('en')} of ~${expected.toLocaleString('en')} rows of ${entity.source.ident} looked at${pace}`;
}
