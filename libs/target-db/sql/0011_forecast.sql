-- What the plan would do, told when it was started and before anything was written: what the report holds the outcome against.
alter table highwater.migration add column forecast jsonb;

insert into highwater.schema_version (version) values (11);
