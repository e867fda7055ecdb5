import { formatBytes } from '@highwater/kernel';
import type { Plan } from '@highwater/plan';
import type { Access } from '../session/database.js';
import type { Finding } from './check.js';
import { deadlockTimeoutSql, lockBudgetFinding, rowBudgetFinding } from './budgets.js';

interface Server extends Record<string, unknown> {
  version: number;
  version_text: string;
  wal_level: string;
  slots_free: number;
  senders_free: number;
  keep_mb: number;
  deadlock_ms: number;
  prepared: string[];
  long_transactions: string[];
  idle_slots: string[];
}

/** Open for longer than this it delays slot creation and locks noticeably. */
const longTransaction = '1 minute';

const serverSql = `
select current_setting('server_version_num')::int as version, current_setting('server_version') as version_text, current_setting('wal_level') as wal_level,
       current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int as slots_free,
       current_setting('max_wal_senders')::int - (select count(*) from pg_stat_activity where backend_type = 'walsender')::int as senders_free,
       (select setting::int8::float8 from pg_settings where name = 'max_slot_wal_keep_size') as keep_mb,
       ${deadlockTimeoutSql} as deadlock_ms,
       coalesce((select array_agg(format('slot "%s"', slot_name) order by slot_name) from pg_replication_slots where not active), '{}') as idle_slots,
       coalesce((select array_agg(format('"%s" in database %s since %s', gid, database, date_trunc('second', prepared))) from pg_prepared_xacts), '{}') as prepared,
       coalesce((select array_agg(format('pid %s "%s" (%s) since %s, %s', pid, application_name, usename, date_trunc('second', xact_start), state))
          from pg_stat_activity where backend_type = 'client backend' and xact_start < clock_timestamp() - interval '${longTransaction}' and pid <> pg_backend_pid()), '{}') as long_transactions`;

export async function serverFindings(state: Access, plan: Plan): Promise<Finding[]> {
  const [server] = await state.query<Server>('preflight: reading the server', serverSql);
  if (!server) throw new Error('invariant broken: one row about the server');
  const findings: Finding[] = [
    server.version >= 150000
      ? { check: 'ServerVersion', status: 'pass', message: `PostgreSQL ${server.version_text}` }
      : { check: 'ServerVersion', status: 'fail', message: `PostgreSQL ${server.version_text}; 15 or newer is needed` },
    rowBudgetFinding(plan.limits.rowBudgetMs, server.deadlock_ms),
    lockBudgetFinding(plan.limits.lockBudgetMs, server.deadlock_ms),
  ];
  if (plan.stream !== null) findings.push(...streamFindings(server, plan.stream));
  for (const gid of server.prepared)
    findings.push({
      check: 'OpenTransaction',
      status: 'warn',
      message: `prepared transaction ${gid} is open: slot creation waits for it, and so does every lock on what it touched`,
    });
  for (const who of server.long_transactions)
    findings.push({
      check: 'OpenTransaction',
      status: 'warn',
      message: `a transaction is open for more than ${longTransaction}: ${who}`,
    });
  if (server.prepared.length + server.long_transactions.length === 0)
    findings.push({
      check: 'OpenTransaction',
      status: 'pass',
      message: `no prepared transaction, none open for more than ${longTransaction}`,
    });
  return findings;
}

function streamFindings(server: Server, stream: NonNullable<Plan['stream']>): Finding[] {
  const limit = formatBytes(stream.retainedWalBytes);
  return [
    server.wal_level === 'logical'
      ? { check: 'WalLevel', status: 'pass', message: 'wal_level is logical' }
      : {
          check: 'WalLevel',
          status: 'fail',
          message: `wal_level is ${server.wal_level}; logical is needed (restart of the server), or stream: none in the plan`,
          fixSql: `alter system set wal_level = 'logical'`,
        },
    server.slots_free > 0 && server.senders_free > 0
      ? {
          check: 'FreeSlot',
          status: 'pass',
          message: `${server.slots_free} replication slots and ${server.senders_free} walsenders are free`,
        }
      : {
          check: 'FreeSlot',
          status: 'fail',
          message: `${server.slots_free} replication slots and ${server.senders_free} walsenders are free; one of each is needed${server.idle_slots.length > 0 ? `; nobody reads ${server.idle_slots.join(', ')}: drop what nobody needs (pg_drop_replication_slot)` : ''}, or raise max_replication_slots or max_wal_senders (restart of the server)`,
        },
    server.keep_mb >= 0
      ? {
          check: 'UnlimitedSlotWal',
          status: 'pass',
          message: `max_slot_wal_keep_size is ${formatBytes(BigInt(server.keep_mb) * 1048576n)}`,
        }
      : {
          check: 'UnlimitedSlotWal',
          status: 'warn',
          needsAcceptance: true,
          message: 'max_slot_wal_keep_size is unlimited: a slot nobody reads would fill the disk',
          fixSql: `alter system set max_slot_wal_keep_size = '${Math.max(1, Math.ceil(Number(stream.retainedWalBytes) / 1048576))}MB'; -- the plan's stream.retainedWal: ${limit}`,
        },
  ];
}
