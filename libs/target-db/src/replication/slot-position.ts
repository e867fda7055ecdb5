import { formatLsn, parseLsn, type Lsn, type MigrationId } from '@highwater/kernel';
import type { Access } from '../session/database.js';

export interface SlotPosition {
  /** What we were about to acknowledge when we last did; null: this slot has no record. */
  readonly acknowledgedLsn: Lsn | null;
  /** Where the slot stands; null: it is gone. */
  readonly confirmedLsn: Lsn | null;
  readonly timeline: number | null;
}

/**
 * Raises the record, never lowers it: after a crash of the server the slot may stand further back, and what was acknowledged once is
 * stored. Durable on this server when it returns, and no synchronous standby is waited for.
 */
export async function raiseSlotPosition(
  state: Access,
  at: { migrationId: MigrationId; slot: string; position: Lsn; timeline?: number },
): Promise<void> {
  await state.query(
    `recording the position of slot ${at.slot}`,
    `with durable as (select set_config('synchronous_commit', 'local', true))
     insert into highwater.slot_position as p (migration_id, slot, acknowledged_lsn, timeline)
       select $1, $2, $3::pg_lsn, $4::int from durable
     on conflict (migration_id, slot) do update
        set acknowledged_lsn = greatest(p.acknowledged_lsn, excluded.acknowledged_lsn),
            timeline = coalesce(excluded.timeline, p.timeline), moved_at = clock_timestamp()`,
    [at.migrationId, at.slot, formatLsn(at.position), at.timeline ?? null],
  );
}

/** Both positions; only the reader that holds the slot may compare them, since nobody else moves either meanwhile. */
export async function readSlotPosition(state: Access, migrationId: MigrationId, slot: string): Promise<SlotPosition> {
  const [row] = await state.query<{ acknowledged: string | null; confirmed: string | null; timeline: number | null }>(
    `reading the position of slot ${slot}`,
    `select (select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $2) as confirmed,
            p.acknowledged_lsn::text as acknowledged, p.timeline
       from (select) one left join highwater.slot_position p on (p.migration_id, p.slot) = ($1, $2)`,
    [migrationId, slot],
  );
  const position = (text: string | null | undefined): Lsn | null => (typeof text === 'string' ? parseLsn(text) : null);
  return {
    acknowledgedLsn: position(row?.acknowledged),
    confirmedLsn: position(row?.confirmed),
    timeline: row?.timeline ?? null,
  };
}
