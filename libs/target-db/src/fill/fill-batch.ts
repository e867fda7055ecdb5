import type { UnfillableReason } from '@highwater/kernel';
import type { Access, Client } from '../session/database.js';
import type { GateName } from '../gate/enter-gate.js';
import type { FillTarget } from '../target.js';
import { bisect } from './bisect.js';
import { deadLetters } from './cast-hints.js';
import { keyColumns } from './key-text.js';
import { isTransient, rowRefusal } from './row-error.js';
import { judgeHints } from './statements.js';
import { tallyStatement } from './tally.js';
import { TimeHeld } from './time-held.js';
import { openFill, orRollBack, type FillBudget } from './transaction.js';
import { listUnfillable } from './unfillable.js';
import { writeRows, type UnfilledRow } from './write-rows.js';

/** One hint about one row, as the filler hands it over. */
export interface FillHint {
  readonly key: readonly string[];
  /** xid8, decimal text. */
  readonly xid: string;
  /** Kafka partition, for the tally. */
  readonly partition: number;
  /** Judge now, whatever its transaction: nobody holds it (see `heldSomewhere`). */
  readonly forced?: boolean;
  /** Parked before: counted as parked already. */
  readonly parkedBefore?: boolean;
  /** If it is contended again, that is its verdict: counted only then. */
  readonly lastLook?: boolean;
}

export type HintVerdict =
  | { readonly verdict: 'parked' | 'filled' | 'already' | 'gone' }
  /** `untried`: nobody holds the row; the time for which rows may be held was over when others of its batch had been decided. */
  | { readonly verdict: 'contended'; readonly untried?: boolean }
  | { readonly verdict: 'unfillable'; readonly reason: UnfillableReason }
  | { readonly verdict: 'dead_letter'; readonly reason: 'KeyNotUsable' };

/** `gateClosed`: halt; nothing was judged. */
export type BatchOutcome =
  { readonly kind: 'judged'; readonly verdicts: readonly HintVerdict[] } | { readonly kind: 'gateClosed' };

interface Judged {
  readonly ordinal: number;
  readonly visible: boolean;
  readonly present: boolean;
  readonly empty: boolean;
  readonly locked: boolean;
  readonly key: readonly string[];
}

/**
 * One fill transaction for the hints of one target; one verdict per hint, by position. Visibility is judged first and on the snapshot of the look-up: a
 * transaction that is decoded but not visible yet shows the row as it was before. Locked rows are skipped, never waited for.
 * A batch that the server refuses is done again with the guilty rows singled out; a key that does not cast is a dead letter.
 */
export async function fillBatch(
  fill: Access,
  target: FillTarget,
  hints: readonly FillHint[],
  budget: FillBudget,
  gate: GateName = 'live',
): Promise<BatchOutcome> {
  if (hints.length === 0) return { kind: 'judged', verdicts: [] };
  const attempt = (careful: boolean, usable: readonly FillHint[]): Promise<HintVerdict[] | undefined> =>
    fill.session('filling a batch', (client) =>
      orRollBack(client, () => fillOnce(client, target, usable, budget, careful, gate)),
    );
  const width = target.derivation.key.length;
  if (hints.every((hint) => hint.key.length === width)) {
    try {
      const verdicts = await attempt(false, hints);
      return verdicts ? { kind: 'judged', verdicts } : { kind: 'gateClosed' };
    } catch (error) {
      if (!rowRefusal(error) && !isTransient(error)) throw error;
    }
  }
  const dead = await deadLetters(fill, target, hints);
  const usable = hints.filter((_, i) => !dead.has(i));
  const verdicts = usable.length > 0 ? await attempt(true, usable) : [];
  if (!verdicts) return { kind: 'gateClosed' };
  let next = 0;
  return {
    kind: 'judged',
    verdicts: hints.map((_, i) =>
      dead.has(i) ? { verdict: 'dead_letter', reason: 'KeyNotUsable' } : (verdicts[next++] ?? { verdict: 'contended' }),
    ),
  };
}

async function fillOnce(
  client: Client,
  target: FillTarget,
  hints: readonly FillHint[],
  budget: FillBudget,
  careful: boolean,
  gate: GateName,
): Promise<HintVerdict[] | undefined> {
  const opened = await openFill(client, target, gate, budget);
  if (!opened) return undefined;
  const held = new TimeHeld(budget.rowBudgetMs);
  const judged = await judge(client, target, hints);
  const rows = distinctLocked(judged);
  const keys = rows.map((row) => row.key);
  let unfilled: readonly UnfilledRow[];
  let undecided: readonly (readonly string[])[] = [];
  let untried: readonly (readonly string[])[] = [];
  if (careful) {
    const result = await bisect(client, target, keys, held);
    unfilled = result.unfilled;
    undecided = [...result.contended, ...keys.slice(result.decided)];
    // where none was decided the first counts as tried: it is bounded like any contention, and smaller batches come to the others
    untried = keys.slice(Math.max(1, result.decided));
  } else {
    unfilled = (await writeRows(client, target, { naming: 'key', count: keys.length, keys })).unfilled;
  }
  const awaited = awaitedEntities(judged, hints, unfilled);
  unfilled = unfilled.filter((row) => !awaited.includes(row));
  undecided = [...undecided, ...awaited.map((row) => row.key)];
  await listUnfillable(client, target, unfilled);
  const verdicts = toVerdicts(judged, rows, unfilled, undecided, untried);
  await client.query(`${tallyStatement(target, hints, verdicts)}commit`);
  return verdicts;
}

async function judge(client: Client, target: FillTarget, hints: readonly FillHint[]): Promise<Judged[]> {
  const width = target.derivation.key.length;
  const { rows } = await client.query<Record<string, unknown>>(judgeHints(target), [
    ...keyColumns(
      hints.map((hint) => hint.key),
      width,
    ),
    hints.map((hint) => hint.xid),
    hints.map((hint) => hint.forced === true),
  ]);
  return rows.map((row) => ({
    ordinal: Number(row['ordinal']),
    visible: row['visible'] === true,
    present: row['present'] === true,
    empty: row['empty'] === true,
    locked: row['locked'] === true,
    key: target.derivation.key.map((_, i) => String(row[`k${i}`])),
  }));
}

/** The first hint of each locked row; `'6'` and `'06'` are one bigint key, and the server's text says so. */
function distinctLocked(judged: readonly Judged[]): Judged[] {
  const first = new Map<string, Judged>();
  for (const hint of judged) {
    const id = JSON.stringify(hint.key);
    if (hint.locked && !first.has(id)) first.set(id, hint);
  }
  return [...first.values()];
}

/**
 * Rows whose entity is not there yet. The hint that makes it may lie in another partition and be a moment behind: they are looked at again
 * like contended ones, and listed by the last look.
 */
function awaitedEntities(
  judged: readonly Judged[],
  hints: readonly FillHint[],
  unfilled: readonly UnfilledRow[],
): UnfilledRow[] {
  const last = new Set(
    judged.flatMap(({ ordinal, key }) => (hints[ordinal - 1]?.lastLook === true ? [JSON.stringify(key)] : [])),
  );
  return unfilled.filter((row) => row.reason === 'EntityMissing' && !last.has(JSON.stringify(row.key)));
}

function toVerdicts(
  judged: readonly Judged[],
  rows: readonly Judged[],
  unfilled: readonly UnfilledRow[],
  undecided: readonly (readonly string[])[],
  untried: readonly (readonly string[])[],
): HintVerdict[] {
  const id = (key: readonly string[]): string => JSON.stringify(key);
  const firsts = new Set(rows.map((row) => row.ordinal));
  const reasons = new Map(unfilled.map((row) => [id(row.key), row.reason]));
  const open = new Set(undecided.map(id));
  const late = new Set(untried.map(id));
  return judged.map((hint): HintVerdict => {
    if (!hint.visible) return { verdict: 'parked' };
    if (hint.locked) {
      if (late.has(id(hint.key))) return { verdict: 'contended', untried: true };
      if (open.has(id(hint.key))) return { verdict: 'contended' };
      const reason = reasons.get(id(hint.key));
      if (reason) return { verdict: 'unfillable', reason };
      return { verdict: firsts.has(hint.ordinal) ? 'filled' : 'already' };
    }
    if (!hint.present) return { verdict: 'gone' };
    // NULL on our snapshot, yet not locked: held by somebody, or changed since; another look will tell
    return { verdict: hint.empty ? 'contended' : 'already' };
  });
}
