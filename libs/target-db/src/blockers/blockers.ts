import { withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';

/** A session or prepared transaction that holds, or waits for, a lock on a table. Never carries query text: literals are row data. */
export interface LockBlocker {
  /** Null for a prepared transaction: it has no process. */
  readonly pid: number | null;
  readonly applicationName: string;
  readonly userName: string;
  readonly kind: 'session' | 'prepared' | 'autovacuum';
  /** An autovacuum to prevent wraparound: never cancelled for us. */
  readonly wraparound: boolean;
  readonly gid: string | null;
  /** Start of its transaction, ISO 8601; now when unknown. */
  readonly since: string;
  readonly ageMs: number | null;
  readonly state: string | null;
  readonly table: string;
  readonly mode: string;
  readonly granted: boolean;
}

/**
 * Who holds or waits for locks on the tables, their partitions included, strongest first. Our own sessions are left out, they are
 * ours to bound. `minimumAgeMs` hides the short transactions of ordinary work.
 */
export async function readBlockers(
  state: Access,
  relids: readonly number[],
  options: { readonly minimumAgeMs?: number; readonly blockingPid?: number } = {},
): Promise<LockBlocker[]> {
  return state.query<LockBlocker & Record<string, unknown>>(
    'reading lock holders',
    `${withMembers('$1::oid[]')}
     select l.pid, coalesce(a.application_name, '') as "applicationName", coalesce(a.usename::text, p.owner::text, '') as "userName",
            case when p.gid is not null then 'prepared'
                 when a.backend_type = 'autovacuum worker' then 'autovacuum' else 'session' end as kind,
            coalesce(a.backend_type = 'autovacuum worker' and a.query like '%(to prevent wraparound)%', false) as wraparound,
            p.gid, to_char(coalesce(p.prepared, a.xact_start, clock_timestamp()) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since,
            (extract(epoch from clock_timestamp() - coalesce(p.prepared, a.xact_start)) * 1000)::float8 as "ageMs", a.state,
            format('%I.%I', n.nspname, c.relname) as "table", l.mode, l.granted
       from pg_locks l
       join (select distinct relid from member) as member on member.relid = l.relation
       join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
       left join pg_stat_activity a on a.pid = l.pid
       /* a prepared transaction keeps the virtual id its session had; its own xid is a lock it holds */
       left join pg_locks x on l.pid is null and x.pid is null and x.locktype = 'transactionid' and x.virtualtransaction = l.virtualtransaction
       left join pg_prepared_xacts p on p.transaction = x.transactionid
      where l.locktype = 'relation' and l.database = (select oid from pg_database where datname = current_database())
        and coalesce(a.application_name, '') not like 'highwater/%' and l.pid is distinct from pg_backend_pid()
        and ($3::int is null or l.pid is null or l.pid = any(pg_blocking_pids($3::int)))
        and (extract(epoch from clock_timestamp() - coalesce(p.prepared, a.xact_start, clock_timestamp())) * 1000 >= $2::float8)
      order by l.granted desc, coalesce(p.prepared, a.xact_start) limit 50`,
    [relids, options.minimumAgeMs ?? 0, options.blockingPid ?? null],
  );
}

/** Who holds the tables for so long that a stronger lock is better asked for afterwards. */
export interface LongHolders {
  /**
   * Vacuum, analyze or a concurrent index build, anybody's, ours included: they hold SHARE UPDATE EXCLUSIVE, which stops no reader or writer but
   * does stop our stronger lock, for as long as they run.
   */
  readonly maintenance: boolean;
  /**
   * A process of ours that only reads: a page of the verification, a count of what is missing. It may do so for seconds, and our lock request
   * would make every statement of the application wait behind it for the whole budget. Whoever writes as well is done in milliseconds.
   */
  readonly ourReaders: boolean;
}

export async function longHolders(state: Access, relids: readonly number[]): Promise<LongHolders> {
  const [row] = await state.query<{ maintenance: boolean; reading: boolean }>(
    'looking for maintenance and readers of ours on a table',
    `${withMembers('$1::oid[]')},
     held as (
       select l.pid, l.mode from member as m join pg_locks l on l.locktype = 'relation' and l.relation = m.relid and l.granted
          and l.database = (select oid from pg_database where datname = current_database()))
     select exists (select from held where mode = 'ShareUpdateExclusiveLock') as maintenance,
            exists (
       select from held join pg_stat_activity a on a.pid = held.pid and a.application_name like 'highwater/%' and a.pid <> pg_backend_pid()
        group by held.pid having every(held.mode = 'AccessShareLock')) as reading`,
    [relids],
  );
  return { maintenance: row?.maintenance === true, ourReaders: row?.reading === true };
}

/** `pid 4711 "pg_dump" (alice) holds AccessShareLock on public."Activity" for 3.2 s, idle in transaction`. */
export function describeBlocker(b: LockBlocker): string {
  const who =
    b.kind === 'prepared'
      ? `prepared transaction "${b.gid}" (${b.userName})`
      : b.kind === 'session'
        ? `pid ${b.pid} "${b.applicationName}" (${b.userName})`
        : `pid ${b.pid} autovacuum${b.wraparound ? ' (to prevent wraparound, never cancelled for us)' : ''}`;
  const age = b.ageMs === null ? '' : ` for ${(b.ageMs / 1000).toFixed(1)} s`;
  return `${who} ${b.granted ? 'holds' : 'waits for'} ${b.mode} on ${b.table}${age}${b.state ? `, ${b.state}` : ''}`;
}
