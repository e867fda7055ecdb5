-- Ranges of blocks beside ranges of keys: pass 0 of an ordinary table walks its pages.

alter table highwater.sweep_range add column walk text not null default 'keys' check (walk in ('keys', 'blocks'));
comment on column highwater.sweep_range.walk is
  'keys: bounds and cursor are keys as the server''s own text. blocks: the bounds are block numbers, lower included, upper not; '
  'the cursor is the stretch''s first block and end, the round, the next block, and inside a chunk its end and the last key decided';

insert into highwater.schema_version (version) values (4);
