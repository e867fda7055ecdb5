import { formatLsn, type Lsn, type MigrationId } from '@highwater/kernel';
import type { Access } from '../session/database.js';

/** One statement that the bridge served, as its logical message told it. */
export interface BridgedStatement {
  readonly targetNo: number;
  readonly applicationName: string;
  readonly sessionUser: string;
  readonly outcome: 'resolved' | 'left_null' | 'failed';
  readonly lsn: Lsn;
}

const outcomes = new Set(['resolved', 'left_null', 'failed']);

/** Content of a `highwater.bridge` message; undefined when it is not for this migration or not ours (anyone may emit one). */
export function parseBridgedStatement(
  content: Buffer,
  lsn: Lsn,
  migrationId: string,
  short: string,
): BridgedStatement | undefined {
  if (content.length > 4_096) return undefined;
  let found: unknown;
  try {
    found = JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const { m, t, a, u, o } = found as Record<string, unknown>;
  if (m !== migrationId && m !== short) return undefined;
  const targetNo = Number(t);
  if (!Number.isSafeInteger(targetNo) || targetNo < 0 || !outcomes.has(String(o))) return undefined;
  const name = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 63) : '');
  return { targetNo, applicationName: name(a), sessionUser: name(u), outcome: o as BridgedStatement['outcome'], lsn };
}

/**
 * Names told one by one, of each target and outcome. A pooler may add the client's port to the name, and an application its process: a row for each
 * connection of weeks would be read at every look at the status.
 */
const namesMax = 200;
/** Who came after that many, together. */
const others = 'other applications';

/**
 * Counts each message once, whatever is delivered again: only those after the counter's last position. The advisory lock keeps a
 * relay that lost its slot without noticing from counting beside its successor. Commit this before acknowledging past it.
 */
export async function recordBridgedStatements(
  state: Access,
  migrationId: MigrationId,
  short: string,
  uses: readonly BridgedStatement[],
): Promise<void> {
  if (uses.length === 0) return;
  await state.transaction('counting bridge uses', async (client) => {
    await client.query(`select pg_advisory_xact_lock($1::int4, 3)`, [Number.parseInt(short, 16) | 0]);
    await client.query(
      `with told as (
         select u.target_no, u.outcome, u.lsn, case when k.statements is null and t.names >= $7 then $8 else u.app end as app,
                case when k.statements is null and t.names >= $7 then '' else u.usr end as usr
           from unnest($2::int4[], $3::text[], $4::text[], $5::text[], $6::pg_lsn[]) as u (target_no, app, usr, outcome, lsn)
           left join highwater.bridge_use k
             on (k.migration_id, k.target_no, k.application_name, k.session_user_name, k.outcome) = ($1, u.target_no, u.app, u.usr, u.outcome)
           left join (select target_no, outcome, count(*) as names from highwater.bridge_use where migration_id = $1 group by 1, 2) as t
             on (t.target_no, t.outcome) = (u.target_no, u.outcome))
       insert into highwater.bridge_use as b (migration_id, target_no, application_name, session_user_name, outcome, statements, last_lsn)
       select $1, m.target_no, m.app, m.usr, m.outcome, count(*), max(m.lsn)
         from told as m
         left join highwater.bridge_use k
           on (k.migration_id, k.target_no, k.application_name, k.session_user_name, k.outcome) = ($1, m.target_no, m.app, m.usr, m.outcome)
        where m.lsn > coalesce(k.last_lsn, '0/0'::pg_lsn)
        group by m.target_no, m.app, m.usr, m.outcome
       on conflict (migration_id, target_no, application_name, session_user_name, outcome) do update
          set statements = b.statements + excluded.statements, last_lsn = excluded.last_lsn, last_at = clock_timestamp()`,
      [
        migrationId,
        uses.map((use) => use.targetNo),
        uses.map((use) => use.applicationName),
        uses.map((use) => use.sessionUser),
        uses.map((use) => use.outcome),
        uses.map((use) => formatLsn(use.lsn)),
        namesMax,
        others,
      ],
    );
  });
}
