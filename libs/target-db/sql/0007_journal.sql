-- The values that a plan with `journal: true` has written, by key: what `repair` and `rollback` may touch. Each entry is one commit with its
-- value. Entries are only added; of one row the last is the one that counts, since whoever writes a row holds its lock.
create table highwater.journal (
  -- no foreign key: it would be looked up for each value
  migration_id text not null,
  target_no integer not null,
  -- key columns as the server's own text
  key text[] not null,
  entry_no bigint generated always as identity,
  value text not null,
  written_at timestamptz not null default transaction_timestamp(),
  primary key (migration_id, target_no, key, entry_no)
);

-- Why a mismatch was not repaired: null, nobody tried.
alter table highwater.mismatch add column kept text check (kept in ('NotJournaled', 'ChangedSince', 'NoValue', 'WriteRefused', 'RowHeld'));
-- Rows that this run set right.
alter table highwater.verification add column rows_repaired bigint not null default 0;

insert into highwater.schema_version (version) values (7);
