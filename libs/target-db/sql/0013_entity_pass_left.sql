-- What a pass over the sources of an entity left without one. Counting all of them in one statement has a limit in time, and a source of two
-- billion rows has none that it keeps: a pass that began after the bridge proves the same page by page.
alter table highwater.entity_pass add column sources_left bigint not null default 0;

insert into highwater.schema_version (version) values (13);
