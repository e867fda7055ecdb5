-- What operators ask for while a migration runs: a verification that goes on where it stopped, and who works on what.

-- Where the verification of each target stands. A page and its cursor are one commit, so a crash repeats no page.
create table highwater.verification (
  migration_id text not null references highwater.migration,
  target_no integer not null,
  -- the operation that asked for it, or 'after-bridge'; another run starts over
  run_id text not null,
  -- last key compared, as the server's own text; null: not begun
  cursor text[],
  done boolean not null default false,
  page_rows integer not null,
  rows_checked bigint not null default 0,
  rows_mismatched bigint not null default 0,
  rows_null bigint not null default 0,
  started_at timestamptz not null default clock_timestamp(),
  moved_at timestamptz not null default clock_timestamp(),
  primary key (migration_id, target_no)
) with (fillfactor = 50);

-- null: the values differ; else the comparison itself was refused for this row
alter table highwater.mismatch add column sqlstate text;

-- What each worker of each process said last; older than a few seconds says nothing.
create table highwater.worker_report (
  instance text not null,
  migration_id text not null references highwater.migration,
  role text not null,
  state text not null,
  reason text not null,
  message text not null,
  since timestamptz not null,
  rows_per_second double precision,
  chunk_rows integer,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (instance, migration_id, role)
) with (fillfactor = 50);

insert into highwater.schema_version (version) values (2);
