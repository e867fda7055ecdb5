import { rowRefusal } from '../fill/row-error.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { cancelledBy } from '../session/cancel-on-abort.js';
import type { Access } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import type { EntityTarget } from '../target.js';
import { countMissing } from './statements.js';

/** Sources without their entity that no entry explains. */
export interface MissingEntities {
  readonly count: bigint;
  /** Keys of the first of them, as the server's own text. */
  readonly first: readonly (readonly string[])[];
}

/**
 * Counts the sources that could have their entity and have none; those of which none can be made are not among them, nor
 * those that the server refused: both are listed with a reason. Reads the whole source.
 *
 * @param limits `signal` ends it: who is asked to stop has no time for a whole source
 * @returns undefined when the server did not answer in time, or refuses to look at one of them: what the pages of a pass left is known all the same
 */
export async function countMissingEntities(
  fill: Access,
  { entity, migrationId, entityNo }: EntityTarget,
  limits: { readonly timeoutMs: number; readonly first?: number; readonly signal?: AbortSignal | undefined },
): Promise<MissingEntities | undefined> {
  const doing = `counting rows of ${entity.source.ident} without their ${entity.table.ident}`;
  try {
    const rows = await fill.lasting.transaction(doing, async (client) => {
      await client.query(
        `set local statement_timeout = ${Math.max(1, Math.round(limits.timeoutMs))}; set transaction read only`,
      );
      return cancelledBy(fill, client, limits.signal, async () => {
        const values = [limits.first ?? 10, migrationId, entityNo];
        return (await client.query<{ count: string; first: string[][] | null }>(countMissing(entity), values)).rows;
      });
    });
    return { count: BigInt(rows[0]?.count ?? '0'), first: rows[0]?.first ?? [] };
  } catch (error) {
    limits.signal?.throwIfAborted();
    if (isSqlstate(error, sqlstate.queryCanceled) || rowRefusal(error) !== undefined) return undefined;
    throw databaseError(error, doing);
  }
}
