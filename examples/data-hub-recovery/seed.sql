-- Deterministic: the same settings make the same rows. example.rows is the number of daily metrics; chat messages are half as
-- many, insights a fifth. Known numbers, with u = greatest(40, rows / 50) users (all divisions whole):
--
--   greatest(3, u / 20)  users connected stripe twice                one row each loses the unique key
--   greatest(1, u / 100) users connected google three times          two rows each
--   greatest(1, u / 50)  users whose shopify the new code connected again, with its workspace, beside the old row   one each
--   greatest(2, u / 50)  users that own no workspace, each with 1 connection, 5 metrics, 3 insights, 2 messages     ParentMissing
--   every tenth metric   already has its workspace: an earlier backfill died half-way
--
-- The users are numbered; kinds of users do not overlap: the pairs first, then the triples, then the re-connected, and the
-- users without a workspace last.

create function pg_temp.id(kind text, n bigint) returns text language sql as
$$ select 'c' || kind || lpad(to_hex(n), 8, '0') || substr(md5(current_setting('example.seed') || kind || n), 1, 15) $$;
-- a repeatable number from 0 below `below`; `salt` tells the draws of one row apart
create function pg_temp.draw(n bigint, salt int, below bigint) returns bigint language sql as
$$ select ((hashint8extended(n, current_setting('example.seed')::bigint * 1000 + salt) & 1048575) * below) >> 20 $$;

create temp table size as
select rows, u, greatest(3, u / 20) as pairs, greatest(1, u / 100) as triples, greatest(1, u / 50) as reconnected,
       greatest(2, u / 50) as homeless
  from (select current_setting('example.rows')::bigint as rows,
               greatest(40, current_setting('example.rows')::bigint / 50) as u) s;

insert into "User" (id, email, name, "createdAt")
select pg_temp.id('u', n), 'user' || n || '@example.com', case when n % 7 > 0 then 'User ' || n end,
       timestamp '2024-01-01' + n * interval '1 hour'
  from size, generate_series(1, u) n;

insert into "Workspace" (id, name, "ownerId", "createdAt")
select pg_temp.id('w', n), 'Workspace ' || n, pg_temp.id('u', n), timestamp '2024-01-01' + n * interval '1 hour'
  from size, generate_series(1, u - homeless) n;

-- Every user with a workspace has one or two of four providers, from the old code.
insert into "Connection" (id, "userId", provider, "externalId", "createdAt", "updatedAt")
select pg_temp.id('c', n * 4 + p), pg_temp.id('u', n), (array['stripe', 'google', 'shopify', 'meta'])[p + 1], md5(n || '/' || p), at, at
  from size, generate_series(1, u - homeless) n, generate_series(0, 3) p,
       lateral (select timestamp '2024-02-01' + n * interval '1 hour') as t (at)
 where case when n <= pairs then p = 0
            when n <= pairs + triples then p = 1
            when n <= pairs + triples + reconnected then p = 2
            else p in (pg_temp.draw(n, 1, 4), pg_temp.draw(n, 2, 4)) end;
insert into "Connection" (id, "userId", "workspaceId", provider, "externalId", "createdAt", "updatedAt")
select pg_temp.id('d', n * 4 + again), pg_temp.id('u', n), case when kind = 'shopify' then pg_temp.id('w', n) end, kind, md5(n || '!' || again), at, at
  from size, generate_series(1, pairs + triples + reconnected) n,
       lateral (select case when n <= pairs then 'stripe' when n <= pairs + triples then 'google' else 'shopify' end) as k (kind),
       lateral generate_series(1, case when kind = 'google' then 2 else 1 end) again,
       lateral (select timestamp '2024-06-01' + n * interval '1 hour') as t (at);
insert into "Connection" (id, "userId", provider, "createdAt", "updatedAt")
select pg_temp.id('h', n), pg_temp.id('u', n), 'stripe', timestamp '2024-02-01', timestamp '2024-02-01'
  from size, generate_series(u - homeless + 1, u) n;

-- 50 metrics for each user that has a workspace would be even; in life a few have most of them.
insert into "MetricDaily" (id, "userId", "workspaceId", provider, metric, date, value, "createdAt")
select pg_temp.id('m', n), pg_temp.id('u', k), case when n % 10 = 0 then pg_temp.id('w', k) end,
       (array['stripe', 'google', 'shopify', 'meta'])[1 + n % 4], 'series' || n / 3000,
       date '2024-01-01' + (n % 3000)::int, pg_temp.draw(n, 4, 100000) / 100.0, timestamp '2024-03-01' + n * interval '1 minute'
  from size, generate_series(1, rows) n,
       lateral (select 1 + (pg_temp.draw(n, 3, 1024) * pg_temp.draw(n, 5, 1024) * (u - homeless)) / 1048576) as pick (k);
insert into "MetricDaily" (id, "userId", provider, metric, date, value)
select pg_temp.id('k', n * 5 + i), pg_temp.id('u', n), 'stripe', 'orders', date '2024-01-01' + i, i
  from size, generate_series(u - homeless + 1, u) n, generate_series(0, 4) i;

insert into "Insight" (id, "userId", kind, title, body, "createdAt")
select pg_temp.id('i', n), pg_temp.id('u', 1 + pg_temp.draw(n, 6, u - homeless)), (array['TREND', 'ANOMALY', 'GOAL'])[1 + n % 3], 'Insight ' || n,
       case when n % 3 > 0 then repeat(md5(n::text) || ' ', 1 + (n % 6)::int) end, timestamp '2024-04-01' + n * interval '1 minute'
  from size, generate_series(1, rows / 5) n;
insert into "Insight" (id, "userId", kind, title)
select pg_temp.id('j', n * 3 + i), pg_temp.id('u', n), 'GOAL', 'Finish signing up'
  from size, generate_series(u - homeless + 1, u) n, generate_series(0, 2) i;

insert into "ChatMessage" (id, "userId", role, content, "createdAt")
select pg_temp.id('t', n), pg_temp.id('u', 1 + pg_temp.draw(n / 2, 7, u - homeless)), (array['user', 'assistant'])[1 + n % 2],
       repeat(md5(n::text) || ' ', 1 + (n % 5)::int), timestamp '2024-05-01' + n * interval '1 minute'
  from size, generate_series(1, rows / 2) n;
insert into "ChatMessage" (id, "userId", role, content)
select pg_temp.id('q', n * 2 + i), pg_temp.id('u', n), 'user', 'Why do I see no data?'
  from size, generate_series(u - homeless + 1, u) n, generate_series(0, 1) i;
