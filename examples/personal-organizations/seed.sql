-- Deterministic: the same settings make the same rows. example.rows is the number of projects whose owner is there and gets an organization.
-- Known numbers, with u = greatest(60, rows / 10) such owners and i = greatest(20, u / 10) users without a project (all divisions whole):
--
--   greatest(2, rows / 1000)    projects without an owner                              InputNull, for the project and for the organization
--   g = greatest(2, u / 200)    users who are gone, two projects each                  organizations ParentMissing, projects EntityMissing
--   2                           owners whose slug a team has taken, three projects each   organizations UniqueConflict, projects EntityMissing
--
-- Every fifteenth user has no e-mail, every tenth is info@ somewhere, and some log in by a name that is no address. Of the users without a
-- project every second has never come back, and never will.

create function pg_temp.id(kind text, n bigint) returns text language sql as
$$ select 'c' || kind || lpad(to_hex(n), 8, '0') || substr(md5(current_setting('example.seed') || kind || n), 1, 15) $$;
-- a repeatable number from 0 below `below`; `salt` tells the draws of one row apart
create function pg_temp.draw(n bigint, salt int, below bigint) returns bigint language sql as
$$ select ((hashint8extended(n, current_setting('example.seed')::bigint * 1000 + salt) & 1048575) * below) >> 20 $$;

create temp table size as
select rows, u, greatest(20, u / 10) as i, greatest(2, u / 200) as g, greatest(2, rows / 1000) as ownerless
  from (select current_setting('example.rows')::bigint as rows, greatest(60, current_setting('example.rows')::bigint / 10) as u) s;

insert into users (id, email, name, last_login_at, created_at)
select pg_temp.id('u', n),
       case when n % 15 = 0 then null when n % 10 = 1 then 'info@company-' || n || '.example' when n % 50 = 7 then 'login-' || n
            else 'user' || n || '@example.com' end,
       'User ' || n, case when n <= u or n % 2 = 0 then timestamptz '2025-06-01 00:00:00+00' end,
       timestamptz '2024-01-01 00:00:00+00' + n * interval '1 minute'
  from size, generate_series(1, u + i) n;

-- The first u projects are everybody's first.
insert into projects (id, owner_id, name, created_at, updated_at)
select pg_temp.id('p', n), pg_temp.id('u', case when n <= u then n else 1 + (pg_temp.draw(n, 1, 1024) * pg_temp.draw(n, 2, 1024) * u) / 1048576 end),
       'Project ' || n, at, at
  from size, generate_series(1, rows) n, lateral (select timestamptz '2024-06-01 00:00:00+00' + n * interval '1 second') as t (at);
insert into projects (id, name, created_at, updated_at)
select pg_temp.id('q', n), 'Nobody''s', at, at
  from size, generate_series(1, ownerless) n, lateral (select timestamptz '2024-07-01 00:00:00+00') as t (at);
insert into projects (id, owner_id, name, created_at, updated_at)
select pg_temp.id('r', n * 2 + k), pg_temp.id('gone', n), 'Of one who is gone', at, at
  from size, generate_series(1, g) n, generate_series(0, 1) k, lateral (select timestamptz '2024-07-01 00:00:00+00') as t (at);

-- Two teams came early, and took the names that two users would get.
insert into users (id, email, name, last_login_at) select pg_temp.id('v', n), 'early' || n || '@example.com', 'Early ' || n, now() from generate_series(1, 2) n;
insert into projects (id, owner_id, name, created_at, updated_at)
select pg_temp.id('s', n * 3 + k), pg_temp.id('v', n), 'Early bird', at, at
  from generate_series(1, 2) n, generate_series(0, 2) k, lateral (select timestamptz '2024-07-01 00:00:00+00') as t (at);
insert into organizations (id, name, slug, owner_id, type)
select 'team-' || n, 'Team ' || n, 'early' || n || '-' || left(encode(sha256(convert_to(pg_temp.id('v', n), 'UTF8')), 'hex'), 12), pg_temp.id('u', n), 'team'
  from generate_series(1, 2) n;
insert into organization_memberships (id, organization_id, user_id, role, accepted_at)
select 'mem-' || id, id, owner_id, 'owner', now() from organizations;
