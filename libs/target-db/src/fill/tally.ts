import type { Verdict } from '@highwater/kernel';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import type { FillHint, HintVerdict } from './fill-batch.js';
import { literal } from './transaction.js';

const counted = [
  'filled',
  'already',
  'gone',
  'unfillable',
  'contended',
  'parked',
  'dead_letter',
] as const satisfies readonly Verdict[];

/**
 * The tally's upsert as a statement for the message that commits, empty when there is nothing to count: counted exactly when it
 * happened. each hint counts once, however often it is looked at;
 * a hint that was `parked` counts as that too.
 */
export function tallyStatement(
  target: FillTarget,
  hints: readonly FillHint[],
  verdicts: readonly HintVerdict[],
): string {
  const partitions = new Map<number, Map<Verdict, number>>();
  hints.forEach((hint, i) => {
    const answer = verdicts[i];
    if (!answer || (answer.verdict === 'parked' && hint.parkedBefore)) return;
    if (answer.verdict === 'contended' && (answer.untried === true || !hint.lastLook)) return;
    const { verdict } = answer;
    const counts = partitions.get(hint.partition) ?? new Map<Verdict, number>();
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    partitions.set(hint.partition, counts);
  });
  if (partitions.size === 0) return '';
  const rows = [...partitions]
    .sort(([a], [b]) => a - b)
    .map(([partition, counts]) => {
      const numbers = counted.map((verdict) => counts.get(verdict) ?? 0);
      return `(${literal(target.migrationId)}, ${Number(target.targetNo)}, ${Number(partition)}, ${numbers.join(', ')})`;
    });
  return `insert into highwater.fill_tally as f (migration_id, target_no, partition, ${counted.join(', ')}) values ${rows.join(
    ', ',
  )} on conflict (migration_id, target_no, partition) do update set ${counted.map((c) => `${c} = f.${c} + excluded.${c}`).join(', ')}; `;
}

/** Adds to the tally of each partition; of no target, since what is no hint names none: they stand with the plan's first. */
export async function countDeadLetters(
  fill: Access,
  migrationId: string,
  byPartition: ReadonlyMap<number, number>,
): Promise<void> {
  await fill.query(
    'counting dead letters',
    `insert into highwater.fill_tally as f (migration_id, target_no, partition, dead_letter)
     select $1, 0, partition, n from rows from (pg_catalog.unnest($2::int4[]), pg_catalog.unnest($3::int8[])) as t (partition, n)
     on conflict (migration_id, target_no, partition) do update set dead_letter = f.dead_letter + excluded.dead_letter`,
    [migrationId, [...byPartition.keys()], [...byPartition.values()]],
  );
}
