-- What the finishers need besides the record of what the migration made: the rows that stand in the way of a unique index, and the keys
-- that gave way to the plan's.

-- Filled rows that have their unique key in common with another row. Replaced by each look; keys alone, never a value.
create table highwater.index_collision (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  index_name text not null,
  key text[] not null,
  found_at timestamptz not null default clock_timestamp(),
  primary key (migration_id, target_no, index_name, key)
);

-- The team's foreign key that the plan's took the place and the name of; written in that very message. A rollback puts it back.
create table highwater.replaced_key (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  relid oid not null,
  -- exact; the plan's key bears it since
  name text not null,
  parent oid not null,
  -- `on delete set null`, and what else it said: `on update cascade deferrable`
  on_delete text not null,
  rest text not null,
  at timestamptz not null default clock_timestamp(),
  primary key (migration_id, relid, name)
);

insert into highwater.schema_version (version) values (8);
