-- What a rollback has taken back, so that one that is killed half-way goes on, and can say at its end what it did.
alter table highwater.created_object add column undone_at timestamptz;

-- Values by target and entities by their place in the plan: cursor and counts move in the commit of each batch.
create table highwater.rollback_progress (
  migration_id text not null references highwater.migration,
  what text not null check (what in ('values', 'entities')),
  no integer not null,
  -- last key looked at, in the journal's or created_entity's order; null: not begun
  cursor text[],
  undone bigint not null default 0,
  -- looked at and left: changed by the application since, or referred to by now
  kept bigint not null default 0,
  done boolean not null default false,
  primary key (migration_id, what, no)
) with (fillfactor = 50);

-- What the operator would restore from if everything else failed; told by `init --backup`, shown wherever a rollback is looked at.
create table highwater.backup_reference (
  reference text not null check (length(reference) between 1 and 500),
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null default session_user
);

insert into highwater.schema_version (version) values (10);
