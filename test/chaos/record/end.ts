import type pg from 'pg';
import { fold, parseMigrationEvent } from '@highwater/migration';
import type { End, LoggedEvent } from '../checker/history.js';
import type { AuditedTable } from './audit.js';

/** The migration's events as stored. */
export async function readLog(admin: pg.Client, migration: string): Promise<LoggedEvent[]> {
  const { rows } = await admin.query<
    Omit<LoggedEvent, 'actor' | 'operationId'> & { metadata: { actor?: string; operationId?: string } }
  >(
    `select version::int, position::int, (extract(epoch from at) * 1000)::float8 as at, type, data, metadata
       from highwater.event where stream_id = $1 order by version`,
    [`migration/${migration}`],
  );
  return rows.map(({ metadata, ...event }) => ({
    ...event,
    actor: metadata.actor ?? '',
    operationId: metadata.operationId ?? null,
  }));
}

/** The phase that the log alone gives: what a process that starts with nothing would believe. */
async function replayed(admin: pg.Client, migration: string): Promise<string> {
  const { rows } = await admin.query<{ type: string; data: unknown; metadata: unknown; at: Date }>(
    `select type, data, metadata, at from highwater.event where stream_id = $1 order by version`,
    [`migration/${migration}`],
  );
  return fold(rows.map((row) => parseMigrationEvent({ ...row, at: row.at.toISOString() }))).phase;
}

/** Tries to change the history as each of our login roles; answers what was let through. Nothing stays. */
async function historyChanges(admin: pg.Client, roles: readonly string[]): Promise<string[]> {
  const allowed: string[] = [];
  for (const role of roles)
    for (const [verb, text] of [
      ['UPDATE', `update highwater.event set type = type`],
      ['DELETE', `delete from highwater.event`],
      ['TRUNCATE', `truncate highwater.event`],
    ] as const) {
      await admin.query(`begin; set local role "${role}"`);
      const refused = await admin.query(text).then(
        () => false,
        () => true,
      );
      await admin.query('rollback');
      if (!refused) allowed.push(`${verb} as ${role}`);
    }
  return allowed;
}

export async function readEnd(
  admin: pg.Client,
  migration: string,
  tables: readonly AuditedTable[],
  roles: readonly string[],
  canaries: readonly string[],
): Promise<End> {
  const rowsWithoutValue: Record<string, string[]> = {};
  const wrongRows: Record<string, number> = {};
  const notNull: string[] = [];
  for (const [i, { name, key, target }] of tables.entries()) {
    const empty = await admin.query<{ key: string }>(
      `select "${key}"::text as key from public."${name}" where "${target}" is null`,
    );
    rowsWithoutValue[name] = empty.rows.map((row) => row.key);
    const wrong = await admin.query<{ n: number }>(
      `select count(*)::int as n from public."${name}" r where r."${target}" is not null and r."${target}" is distinct from audit.rule_${i}(r)`,
    );
    wrongRows[name] = wrong.rows[0]?.n ?? 0;
    const { rowCount } = await admin.query(
      `select from pg_attribute where attrelid = 'public."${name}"'::regclass and attname = $1 and attnotnull`,
      [target],
    );
    if (rowCount === 1) notNull.push(name);
  }
  const one = async (text: string): Promise<number> =>
    (await admin.query<{ n: number }>(text, [migration])).rows[0]?.n ?? 0;
  const phase = await admin.query<{ phase: string }>(`select phase from highwater.migration where id = $1`, [
    migration,
  ]);
  const unfillable = await admin.query<{ no: number; key: string; reason: string }>(
    `select target_no as no, key[1] as key, reason from highwater.unfillable_row where migration_id = $1 and closed_at is null`,
    [migration],
  );
  const names = async (text: string): Promise<string[]> =>
    (await admin.query<{ name: string }>(text)).rows.map(({ name }) => name);
  return {
    rowsWithoutValue,
    wrongRows,
    notNull,
    openUnfillable: unfillable.rows.map(({ no, key, reason }) => ({ table: tables[no]?.name ?? '?', key, reason })),
    counted: await one(
      `select (coalesce((select sum(rows_filled) from highwater.sweep_range where migration_id = $1), 0)
             + coalesce((select sum(filled) from highwater.fill_tally where migration_id = $1), 0))::int as n`,
    ),
    expiredLeases: await one(
      `select count(*)::int as n from highwater.sweep_range where migration_id = $1 and epoch = (select max(epoch) from highwater.sweep_range) and not done and lease_owner is not null and lease_until < clock_timestamp() - interval '10 s'`,
    ),
    phase: phase.rows[0]?.phase ?? 'none',
    replayedPhase: await replayed(admin, migration),
    historyChangesAllowed: await historyChanges(admin, roles),
    canaries,
    slots: await names(
      `select slot_name as name from pg_replication_slots where slot_name like 'hw\\_%' and database = current_database()`,
    ),
    publications: await names(`select pubname as name from pg_publication where pubname like 'hw\\_%'`),
  };
}
