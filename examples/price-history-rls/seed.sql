-- Deterministic: the same settings make the same rows. example.rows is the number of prices that have a tenant. Known numbers, with
-- e = greatest(40, rows / 100) events of 25 tenants (all divisions whole):
--
--   greatest(2, e / 50)       events without a tenant, three prices each    InputNull
--   greatest(2, rows / 2000)  prices of no event                            InputNull
--   greatest(3, rows / 1000)  prices whose event is gone                    ParentMissing
--
-- The events without a tenant are numbered last.

create function pg_temp.uuid(kind text, n bigint) returns uuid language sql as
$$ select overlay(overlay(md5(current_setting('example.seed') || kind || n) placing '4' from 13) placing 'a' from 17)::uuid $$;
-- a repeatable number from 0 below `below`; `salt` tells the draws of one row apart
create function pg_temp.draw(n bigint, salt int, below bigint) returns bigint language sql as
$$ select ((hashint8extended(n, current_setting('example.seed')::bigint * 1000 + salt) & 1048575) * below) >> 20 $$;

create temp table size as
select rows, e, greatest(2, e / 50) as homeless, greatest(2, rows / 2000) as eventless, greatest(3, rows / 1000) as orphans
  from (select current_setting('example.rows')::bigint as rows,
               greatest(40, current_setting('example.rows')::bigint / 100) as e) s;

insert into events (id, tenant_id, name, starts_at, created_at)
select pg_temp.uuid('event', n), case when n <= e - homeless then pg_temp.uuid('tenant', n % 25) end, 'Event ' || n,
       timestamptz '2025-09-01 20:00:00+00' + n * interval '1 day', timestamptz '2025-01-01 00:00:00+00' + n * interval '1 minute'
  from size, generate_series(1, e) n;

-- A few events sell most of the tickets. Microseconds, as a clock has them.
insert into price_history (event_id, section, price, source, recorded_at)
select pg_temp.uuid('event', 1 + (pg_temp.draw(n, 1, 1024) * pg_temp.draw(n, 2, 1024) * (e - homeless)) / 1048576),
       'Section ' || chr(65 + (n % 20)::int), 10 + pg_temp.draw(n, 3, 30000) / 100.0, (array['box-office', 'resale', 'partner'])[1 + n % 3],
       timestamptz '2025-02-01 00:00:00+00' + n * interval '1.000001 seconds'
  from size, generate_series(1, rows) n;
insert into price_history (event_id, section, price)
select pg_temp.uuid('event', n), 'Section ' || i, 20 + i from size, generate_series(e - homeless + 1, e) n, generate_series(1, 3) i;
insert into price_history (section, price) select 'Season ticket', 100 + n from size, generate_series(1, eventless) n;
insert into price_history (event_id, section, price)
select pg_temp.uuid('deleted event', n), 'Section A', 30 from size, generate_series(1, orphans) n;
