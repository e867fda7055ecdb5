-- What a control process needs when the tables no longer fit the plan: it must still pause, halt, take a check back and finish.
alter table highwater.migration
  -- the catalog the plan was last compiled against
  add column catalog jsonb,
  -- the fingerprint differs from the one of preflight; while it does both gates stay closed, whoever projects
  add column schema_changed boolean not null default false;

insert into highwater.schema_version (version) values (5);
