import { HighwaterError, parseLsn, type Lsn } from '@highwater/kernel';
import { cancelledBy } from '../session/cancel-on-abort.js';
import type { Access, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { streamCodes } from './codes.js';
import { pauseBeforeTry } from './tries.js';

export interface SlotFacts {
  readonly exists: boolean;
  readonly active: boolean;
  readonly activePid: number | null;
  /** `reserved extended unreserved lost`, null when the slot has reserved nothing. */
  readonly walStatus: string | null;
  /** WAL the server keeps because of this slot; a caught-up slot still keeps what an open transaction needs. */
  readonly retainedBytes: bigint;
  /** WAL that the reader has not acknowledged yet. */
  readonly behindBytes: bigint;
  /** What may still be written before the slot is lost; null: no bound is set. */
  readonly safeBytes: bigint | null;
  readonly confirmedFlushLsn: Lsn | null;
  readonly restartLsn: Lsn | null;
  readonly catalogXmin: string | null;
}

const absent: SlotFacts = {
  exists: false,
  active: false,
  activePid: null,
  walStatus: null,
  retainedBytes: 0n,
  behindBytes: 0n,
  safeBytes: null,
  confirmedFlushLsn: null,
  restartLsn: null,
  catalogXmin: null,
};

/** What the server says of one slot now; any access role may ask. */
export async function slotFacts(access: Access, name: string): Promise<SlotFacts> {
  const [row] = await access.query<Record<string, string | number | boolean | null>>(
    `reading replication slot ${name}`,
    `select active, active_pid, wal_status, safe_wal_size::text as safe, confirmed_flush_lsn::text as confirmed,
            restart_lsn::text as restart, catalog_xmin::text as xmin,
            coalesce(greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0), 0)::text as retained,
            coalesce(greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0), 0)::text as behind
       from pg_replication_slots where slot_name = $1`,
    [name],
  );
  if (!row) return absent;
  const position = (text: unknown): Lsn | null => (typeof text === 'string' ? parseLsn(text) : null);
  return {
    exists: true,
    active: row['active'] === true,
    activePid: typeof row['active_pid'] === 'number' ? row['active_pid'] : null,
    walStatus: row['wal_status'] === null ? null : String(row['wal_status']),
    retainedBytes: BigInt(String(row['retained'])),
    behindBytes: BigInt(String(row['behind'])),
    safeBytes: row['safe'] === null ? null : BigInt(String(row['safe'])),
    confirmedFlushLsn: position(row['confirmed']),
    restartLsn: position(row['restart']),
    catalogXmin: row['xmin'] === null ? null : String(row['xmin']),
  };
}

export interface SlotRequest {
  readonly name: string;
  /** One try: a new slot waits for every open transaction of the cluster. */
  readonly timeoutMs?: number;
  readonly attempts?: number;
  /** Ends a try that waits, and the tries: a process that is asked to stop has seconds. Rejects with its reason, and leaves no slot. */
  readonly signal?: AbortSignal;
}

/**
 * Creates the slot and returns its consistent point. The publication must be committed before, and the sweep's upper bounds read
 * after: anything else loses rows. A try that times out leaves no slot behind; the last one names who was waited for.
 */
export async function createSlot(
  database: Pick<Database, 'stream' | 'state'>,
  request: SlotRequest,
): Promise<{ consistentPoint: Lsn }> {
  const { name, timeoutMs = 10_000, attempts = 3, signal } = request;
  const doing = `creating replication slot ${name}`;
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    let made: string | undefined;
    try {
      await database.stream.lasting.transaction(doing, async (client) => {
        // waiting for a transaction to end is a lock wait: the statement's budget bounds it, not lock_timeout
        await client.query(`select set_config('lock_timeout', '0', true), set_config('statement_timeout', $1, true)`, [
          `${timeoutMs}ms`,
        ]);
        await cancelledBy(database.stream, client, signal, async () => {
          const { rows } = await client.query<{ lsn: string }>(
            `select lsn::text as lsn from pg_create_logical_replication_slot($1, 'pgoutput')`,
            [name],
          );
          made = rows[0]?.lsn;
        });
      });
      if (made === undefined) throw new Error(`${doing}: the server returned no position`);
      return { consistentPoint: parseLsn(made) };
    } catch (error) {
      if (signal?.aborted === true) {
        // a slot is made whether its transaction commits or not, and would keep WAL for nobody
        if (made !== undefined) await dropSlot(database.stream, name, 1).catch(() => undefined);
        throw signal.reason;
      }
      if (isSqlstate(error, sqlstate.duplicateObject))
        throw new HighwaterError(
          streamCodes.slotExists,
          'never',
          `replication slot ${name} exists already; expected none`,
          { slot: name },
          `drop it: select pg_drop_replication_slot('${name}')`,
        );
      if (isSqlstate(error, sqlstate.objectNotInPrerequisiteState, sqlstate.configurationLimitExceeded))
        throw new HighwaterError(
          streamCodes.replicationUnavailable,
          'never',
          `${doing}: ${(error as Error).message}`,
          { slot: name },
          'set wal_level = logical and enough max_replication_slots, then restart the server',
        );
      if (!isSqlstate(error, sqlstate.queryCanceled)) throw databaseError(error, doing);
      if (attempt >= attempts) throw await notCreated(database.state, name, attempts, timeoutMs);
      await pauseBeforeTry(attempt, signal);
    }
  }
}

async function notCreated(state: Access, name: string, attempts: number, timeoutMs: number): Promise<HighwaterError> {
  const holders = await transactionHolders(state);
  return new HighwaterError(
    streamCodes.slotNotCreated,
    'backoff',
    `replication slot ${name} was not created in ${attempts} tries of ${timeoutMs} ms; it waits for open transactions: ${holders.join(', ') || 'none is left now'}`,
    { slot: name, holders },
    'end those transactions (or commit / roll back the prepared ones), then start again',
  );
}

/** Open and prepared transactions of the whole cluster that a new slot waits for, oldest first. Needs pg_read_all_stats for names. */
export async function transactionHolders(access: Access): Promise<string[]> {
  const rows = await access.query<{ holder: string }>(
    'looking for open transactions',
    `select holder from (
       select format('pid %s (%s, database %s, user %s, open for %s s)', pid, coalesce(nullif(application_name, ''), 'no application_name'),
                     datname, usename, coalesce(extract(epoch from clock_timestamp() - xact_start)::bigint::text, '?')) as holder,
              age(backend_xid) as age
         from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
       union all
       select format('prepared transaction %L (database %s, owner %s)', gid, database, owner), age(transaction) from pg_prepared_xacts) h
     order by age desc limit 10`,
  );
  return rows.map((row) => row.holder);
}

/**
 * Drops the slot; nothing to do when it is gone. While one of our own walsenders (by application_name) still holds it, that one is
 * ended; anyone else's is named and left alone after `ofStrangers` tries. Bounded.
 */
export async function dropSlot(stream: Access, name: string, attempts = 20, ofStrangers = attempts): Promise<void> {
  const doing = `dropping replication slot ${name}`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await stream.query(
        doing,
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`,
        [name],
      );
      return;
    } catch (error) {
      if (isSqlstate(error, sqlstate.undefinedObject)) return; // somebody else dropped it between the look and the drop
      if (!isSqlstate(error, sqlstate.objectInUse)) throw databaseError(error, doing);
      const [holder] = await stream.query<{ pid: number; app: string | null; ours: boolean | null }>(
        doing,
        `select s.active_pid as pid, a.application_name as app,
                case when a.application_name like 'highwater/%' then pg_terminate_backend(s.active_pid) end as ours
           from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid
          where s.slot_name = $1 and s.active_pid is not null`,
        [name],
      );
      const isStranger = holder !== undefined && holder.ours === null;
      if (attempt >= (isStranger ? ofStrangers : attempts))
        throw new HighwaterError(
          streamCodes.slotInUse,
          'backoff',
          `replication slot ${name} is still in use by pid ${holder?.pid ?? '?'} (${holder?.app ?? 'unknown application'}) after ${attempt} tries`,
          { slot: name, pid: holder?.pid ?? null },
          'stop the instance that reads it, then try again',
        );
      await pauseBeforeTry(Math.min(attempt, 3));
    }
  }
}
