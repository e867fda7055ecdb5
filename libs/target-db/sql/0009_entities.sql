-- Entities: rows of the user's own tables that the migration makes. Rollback removes what stands here and nothing else.

-- Written by the statement that makes the row, so that neither is without the other.
create table highwater.created_entity (
  migration_id text not null references highwater.migration,
  -- index of the entry in the plan's `entities`
  entity_no integer not null,
  -- the identity as the server's own text, in the plan's order
  key text[] not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (migration_id, entity_no, key)
);

-- Sources of which no entity could be made, and why.
create table highwater.unfillable_entity (
  migration_id text not null references highwater.migration,
  entity_no integer not null,
  -- key of the source row as the server's own text
  source_key text[] not null,
  reason text not null,
  sqlstate text,
  constraint_name text,
  attempts integer not null default 1,
  first_seen timestamptz not null default clock_timestamp(),
  last_seen timestamptz not null default clock_timestamp(),
  -- set when the entity is there or the source is gone; null: open
  closed_at timestamptz,
  primary key (migration_id, entity_no, source_key)
);
create index unfillable_entity_open on highwater.unfillable_entity (migration_id, entity_no) where closed_at is null;

insert into highwater.schema_version (version) values (9);
