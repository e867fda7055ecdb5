import type { Reading, ThrottleSignals } from '@highwater/sweep';
import { messageOf } from '@highwater/kernel';
import type { Access } from '../session/database.js';

interface SignalRow extends Record<string, unknown> {
  standby: string | null;
  lag_ms: string | null;
  hidden: boolean;
  retained: string | null;
  slot_there: boolean;
  autovacuum: boolean;
  waiters: number;
}

/**
 * Reads everything the throttle looks at, in one statement. Without `pg_read_all_stats` lag and waiters are hidden from us: unreadable, not zero.
 *
 * @param slot our replication slot; null: no stream.
 */
export async function readThrottleSignals(
  state: Access,
  of: { relids: readonly number[]; slot: string | null },
): Promise<Omit<ThrottleSignals, 'lastChunk'>> {
  try {
    const [row] = await state.query<SignalRow>('reading throttle signals', signalsText, [of.relids, of.slot]);
    if (!row) throw new Error('no answer');
    const hidden: Reading<never> = { unreadable: 'pg_read_all_stats is not granted' };
    return {
      replicaLagMs: row.hidden
        ? hidden
        : { value: row.standby === null ? null : { name: row.standby, ms: Number(row.lag_ms ?? 0) } },
      retainedWalBytes:
        of.slot !== null && !row.slot_there
          ? { unreadable: `slot "${of.slot}" is not there` }
          : { value: row.retained === null ? null : BigInt(row.retained) },
      autovacuum: { value: row.autovacuum },
      lockWaiters: row.hidden ? hidden : { value: row.waiters },
    };
  } catch (error) {
    const unreadable = { unreadable: messageOf(error) };
    return { replicaLagMs: unreadable, retainedWalBytes: unreadable, autovacuum: unreadable, lockWaiters: unreadable };
  }
}

/** Physical standbys only: a logical slot's walsender is somebody's stream, not a standby to protect. */
const signalsText = `
with standby as (
  select s.application_name, extract(epoch from s.replay_lag) * 1000 as lag_ms
    from pg_stat_replication as s
   where s.state is distinct from 'backup'
     and not exists (select from pg_replication_slots as l where l.active_pid = s.pid and l.slot_type = 'logical')
   order by s.replay_lag desc nulls last limit 1
), ours as (
  select pid from pg_stat_activity where application_name like 'highwater/%/fill'
)
select (select application_name from standby) as standby,
       (select lag_ms::text from standby) as lag_ms,
       not pg_has_role(current_user, 'pg_read_all_stats', 'usage') as hidden,
       (select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text from pg_replication_slots where slot_name = $2::text) as retained,
       exists (select from pg_replication_slots where slot_name = $2::text) as slot_there,
       exists (select from pg_stat_progress_vacuum as v join pg_stat_activity as a on a.pid = v.pid
                where v.relid = any($1::oid[]) and a.backend_type = 'autovacuum worker') as autovacuum,
       (select count(*)::int4 from pg_stat_activity as w
         where w.wait_event_type = 'Lock' and pg_blocking_pids(w.pid) && array(select pid from ours)
           and w.application_name not like 'highwater/%') as waiters`;
