import type { UnfillableReason } from '@highwater/kernel';
import { keyColumns } from '../fill/key-text.js';
import { rowRefusal } from '../fill/row-error.js';
import type { UnfilledRow } from '../fill/write-rows.js';
import type { Client } from '../session/database.js';
import { sqlstateOf } from '../session/sqlstate.js';
import type { EntityTarget } from '../target.js';
import type { EntityVerdict, SourceKey } from './create-entities.js';
import { judgeSources } from './statements.js';

/** Of a list: its place in it. */
export interface PlacedKey extends SourceKey {
  readonly place: number;
}

export interface Judged {
  readonly place: number;
  readonly visible: boolean;
  readonly present: boolean;
  readonly there: boolean;
  readonly reason: UnfillableReason | null;
  readonly key: readonly string[];
}

/** What needs no writing; visibility is judged first, for a transaction that is not visible shows the row as it was before. */
export function settledBefore({ visible, present, there, reason }: Judged): EntityVerdict | undefined {
  if (!visible) return { verdict: 'parked' };
  if (!present) return { verdict: 'gone' };
  if (there) return { verdict: 'there' };
  return reason === null ? undefined : { verdict: 'unfillable', reason };
}

export async function judge(client: Client, target: EntityTarget, keys: readonly PlacedKey[]): Promise<Judged[]> {
  const { entity } = target;
  const width = entity.sourceKey.length;
  const { rows } = await client.query<Record<string, unknown>>(judgeSources(entity), [
    ...keyColumns(
      keys.map(({ key }) => key),
      width,
    ),
    keys.map(({ xid }) => xid ?? '3'),
    keys.map(({ xid, forced }) => xid === undefined || forced === true),
  ]);
  return rows.map((row) => ({
    place: keys[Number(row['ordinal']) - 1]?.place ?? -1,
    visible: row['visible'] === true,
    present: row['present'] === true,
    there: row['there'] === true,
    reason: row['reason'] as UnfillableReason | null,
    key: entity.sourceKey.map((_, i) => String(row[`k${i}`])),
  }));
}

/**
 * A source that the server refuses to look at, since working its identity out raises: why its entity cannot be made, to be listed. No SQL expression
 * can catch what a function raises, so the reason that judges the sources cannot say it. Undefined where the error says nothing about the source.
 */
export function refusalToLook(
  { entity }: EntityTarget,
  key: readonly string[],
  error: unknown,
): UnfilledRow | undefined {
  const refusal = rowRefusal(error);
  if (refusal === undefined || entity.functions === undefined) return refusal && { key, ...refusal };
  return { key, reason: 'FunctionFailed', sqlstate: sqlstateOf(error) ?? null, constraint: null };
}
