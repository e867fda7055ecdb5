-- How far each slot of ours was acknowledged, written before the server is told: a slot that stands further was moved by somebody else,
-- and what lies in between was never sent (pg_replication_slot_advance, a copy that some failover tool made).
create table highwater.slot_position (
  migration_id text not null references highwater.migration,
  slot text not null,
  acknowledged_lsn pg_lsn not null,
  -- null: no relay has read it yet
  timeline integer,
  moved_at timestamptz not null default clock_timestamp(),
  primary key (migration_id, slot)
) with (fillfactor = 50);

insert into highwater.schema_version (version) values (3);
