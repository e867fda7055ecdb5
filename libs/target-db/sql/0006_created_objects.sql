-- What the migration made on the user's tables, as opposed to what it found there: `rollback` takes back this and nothing else.
-- Written by the statement that makes it, in the same transaction; of an index, which is built outside of one, before the build begins.
create table highwater.created_object (
  migration_id text not null references highwater.migration,
  object_no bigint generated always as identity,
  -- null: of no single target
  target_no integer,
  kind text not null check (kind in ('column', 'notNull', 'constraint', 'index', 'policy', 'rowSecurity', 'forcedRowSecurity')),
  -- the table it sits on
  relid oid not null,
  -- exact name of column, constraint, index or policy; the column's for notNull; empty for row security
  name text not null,
  -- as the catalog defined it when it was made; an object that says something else now was changed by somebody else. Null: an index not built yet
  definition text,
  made_at timestamptz not null default clock_timestamp(),
  primary key (migration_id, kind, relid, name)
);

insert into highwater.schema_version (version) values (6);
