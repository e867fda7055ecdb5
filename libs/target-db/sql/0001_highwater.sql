-- Everything Highwater keeps in the target database, so that rows and progress commit together.
-- Owned by the ddl access role; other access roles get the grants that install/grants.ts prints. Immutable after release.

create schema if not exists highwater;
comment on schema highwater is 'Highwater: online migrations. `highwater finish --purge` removes it.';

create table highwater.schema_version (
  version integer primary key,
  installed_at timestamptz not null default clock_timestamp()
);

-- The migration stream ------------------------------------------------------------------------------------------------

create table highwater.event (
  stream_id text not null,
  version bigint not null check (version > 0),
  -- taken from event_head in the append's own transaction: position order is commit order
  position bigint not null unique,
  type text not null,
  data jsonb not null,
  metadata jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (stream_id, version)
);

create table highwater.event_head (
  one boolean primary key default true check (one),
  position bigint not null
);
insert into highwater.event_head (position) values (0);

create function highwater.refuse_history_change() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'highwater.event is append-only: % refused', tg_op using errcode = 'HW601';
end $$;
create trigger event_is_append_only before update or delete on highwater.event
  for each row execute function highwater.refuse_history_change();
create trigger event_is_never_truncated before truncate on highwater.event
  for each statement execute function highwater.refuse_history_change();
alter table highwater.event enable always trigger event_is_append_only;
alter table highwater.event enable always trigger event_is_never_truncated;

create table highwater.command (
  command_id text primary key,
  stream_id text not null,
  request_hash text not null,
  result jsonb not null,
  at timestamptz not null default clock_timestamp()
);

create table highwater.publisher_checkpoint (
  name text primary key,
  position bigint not null,
  updated_at timestamptz not null default clock_timestamp()
);

-- What the processes share about one migration ------------------------------------------------------------------------

create table highwater.migration (
  id text primary key,
  -- 8 hex, in the name of every temporary object of ours
  short text not null unique check (short ~ '^[0-9a-f]{8}$'),
  plan_source text not null,
  plan_hash text not null,
  -- projection of the stream, written by control: what relay, filler and sweeper need to know
  phase text not null default 'planned',
  epoch integer not null default 0,
  stream jsonb,
  limits jsonb not null default '{}',
  stream_version bigint not null default 0,
  -- last evaluation, so that asking for it costs one row
  readiness jsonb,
  status jsonb,
  evaluated_at timestamptz,
  created_at timestamptz not null default clock_timestamp()
);

-- The row behind "pause means paused": read by every writing transaction after it took the shared advisory lock.
create table highwater.gate (
  migration_id text primary key references highwater.migration,
  sweep_open boolean not null default false,
  live_open boolean not null default false,
  changed_at timestamptz not null default clock_timestamp()
);

create table highwater.operation (
  id text primary key,
  migration_id text,
  verb text not null,
  status text not null check (status in ('accepted', 'running', 'succeeded', 'failed')),
  actor text not null,
  idempotency_key text unique,
  request_hash text,
  request jsonb not null default '{}',
  result jsonb,
  error jsonb,
  requested_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);

-- Progress ------------------------------------------------------------------------------------------------------------

create table highwater.sweep_range (
  migration_id text not null references highwater.migration,
  -- index of the entry in the plan's `tables`
  target_no integer not null,
  epoch integer not null,
  -- 0: the sweep over history; 1, 2, …: tail passes over what is still NULL
  pass integer not null,
  range_no integer not null,
  -- keys as the server's own text; null: unbounded
  lower_exclusive text[],
  upper_inclusive text[],
  cursor text[],
  done boolean not null default false,
  lease_owner text,
  -- fencing token: moves with every lease, checked by every chunk's transaction
  lease_token bigint not null default 0,
  lease_until timestamptz,
  rows_estimated bigint not null default 0,
  rows_scanned bigint not null default 0,
  rows_filled bigint not null default 0,
  rows_unfillable bigint not null default 0,
  rows_contended bigint not null default 0,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (migration_id, target_no, epoch, pass, range_no)
) with (fillfactor = 50);

-- Live fill per partition, moved in the fill's own transaction: counted only when committed.
create table highwater.fill_tally (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  partition integer not null,
  filled bigint not null default 0,
  already bigint not null default 0,
  gone bigint not null default 0,
  unfillable bigint not null default 0,
  contended bigint not null default 0,
  parked bigint not null default 0,
  dead_letter bigint not null default 0,
  primary key (migration_id, target_no, partition)
) with (fillfactor = 50);

create table highwater.unfillable_row (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  key text[] not null,
  reason text not null,
  sqlstate text,
  constraint_name text,
  attempts integer not null default 1,
  first_seen timestamptz not null default clock_timestamp(),
  last_seen timestamptz not null default clock_timestamp(),
  -- set when the row was filled or is gone; null: open
  closed_at timestamptz,
  primary key (migration_id, target_no, key)
);
create index unfillable_row_open on highwater.unfillable_row (migration_id, target_no) where closed_at is null;

create table highwater.fence (
  token text primary key,
  migration_id text not null references highwater.migration,
  epoch integer not null,
  partitions integer not null,
  topic_id text not null,
  written_at timestamptz not null default clock_timestamp(),
  purpose text not null
);

create table highwater.fence_arrival (
  token text not null references highwater.fence,
  partition integer not null,
  arrived_at timestamptz not null default clock_timestamp(),
  primary key (token, partition)
);

-- Who still needs the bridge; counted exactly once by the position of the message.
create table highwater.bridge_use (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  application_name text not null,
  session_user_name text not null,
  outcome text not null check (outcome in ('resolved', 'left_null', 'failed')),
  statements bigint not null default 0,
  first_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  last_lsn pg_lsn not null default '0/0',
  primary key (migration_id, target_no, application_name, session_user_name, outcome)
);

-- Every DDL statement of ours on the user's objects, with what it cost.
create table highwater.ddl_step (
  migration_id text not null references highwater.migration,
  step_no bigint generated always as identity,
  target_no integer,
  step text not null,
  lock_mode text not null,
  attempts integer not null,
  lock_wait_ms double precision not null,
  held_ms double precision not null,
  at timestamptz not null default clock_timestamp(),
  primary key (migration_id, step_no)
);

create table highwater.mismatch (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  key text[] not null,
  found_at timestamptz not null default clock_timestamp(),
  primary key (migration_id, target_no, key)
);

insert into highwater.schema_version (version) values (1);
