-- Where the pass over the sources of each entity stands. Entities that are there are left alone, so a page that is done again after a
-- crash makes nothing twice.
create table highwater.entity_pass (
  migration_id text not null references highwater.migration,
  -- index of the entry in the plan's `entities`
  entity_no integer not null,
  epoch integer not null,
  -- 0: over history, before the sweep; 1, 2, …: again, since a hint is never the proof
  pass integer not null,
  -- last source key looked at, as the server's own text; null: not begun
  cursor text[],
  done boolean not null default false,
  sources_expected bigint not null default 0,
  sources_seen bigint not null default 0,
  -- sources without their entity when they were counted last; null: not counted yet
  missing bigint,
  counted_at timestamptz,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (migration_id, entity_no)
) with (fillfactor = 50);

insert into highwater.schema_version (version) values (12);
