-- Deterministic: the same settings make the same rows. example.rows is the number of responses that have a workspace; activities are
-- half as many. Known numbers, with g = greatest(40, rows / 100) groups, u = greatest(60, rows / 50) users and k = greatest(2, u / 30):
--
--   greatest(2, g / 20)       groups without an organization    InputNull; three activities in each, two responses to each of those
--   greatest(2, rows / 1000)  responses to nothing              InputNull
--   rows / 250                exports of no group and no organization, which is allowed   InputNull
--   2 k                       audit logs of users in no organization                      NoMatch
--   3 k                       audit logs of users in two                                  Ambiguous
--   rows / 100                audit logs of the system itself                             InputNull
--
-- The team's own script was stopped after the first tenth of the organizations: those have their workspace, their members a membership, and
-- every second of their groups its workspaceId. The others have nothing. The groups without an organization are numbered last; users in two organizations first, in none last.

create function pg_temp.id(kind text, n bigint) returns text language sql as
$$ select 'c' || kind || lpad(to_hex(n), 8, '0') || substr(md5(current_setting('example.seed') || kind || n), 1, 15) $$;
-- a repeatable number from 0 below `below`; `salt` tells the draws of one row apart
create function pg_temp.draw(n bigint, salt int, below bigint) returns bigint language sql as
$$ select ((hashint8extended(n, current_setting('example.seed')::bigint * 1000 + salt) & 1048575) * below) >> 20 $$;

create temp table size as
select rows, g, u, greatest(10, rows / 500) as o, greatest(2, g / 20) as lost, greatest(2, rows / 1000) as orphans, greatest(2, u / 30) as k,
       greatest(1, rows / 5000) as done
  from (select current_setting('example.rows')::bigint as rows, greatest(40, current_setting('example.rows')::bigint / 100) as g,
               greatest(60, current_setting('example.rows')::bigint / 50) as u) s;

insert into "User" (id, email) select pg_temp.id('u', n), 'user' || n || '@example.com' from size, generate_series(1, u) n;
insert into "Organization" (id, name, "createdAt")
select pg_temp.id('o', n), 'Organization ' || n, timestamp '2024-01-01' + n * interval '1 day' from size, generate_series(1, o) n;
insert into "OrgMember" (id, "orgId", "userId")
select pg_temp.id('m', n), pg_temp.id('o', 1 + n % o), pg_temp.id('u', n) from size, generate_series(1, u - k) n;
insert into "OrgMember" (id, "orgId", "userId")
select pg_temp.id('n', n), pg_temp.id('o', 1 + (n + 1) % o), pg_temp.id('u', n) from size, generate_series(1, k) n;

insert into "Workspace" (id, name, slug, "createdAt")
select o.id, name, 'org-' || o.id, "createdAt" from size, generate_series(1, done) n join "Organization" o on o.id = pg_temp.id('o', n);
insert into "WorkspaceMembership" (id, "workspaceId", "userId", role)
select 'wm-' || m.id, "orgId", "userId", role from "OrgMember" m join "Workspace" w on w.id = m."orgId";
insert into "WorkspaceInvite" (id, "workspaceId", email) select 'wi-' || id, id, 'new@example.com' from "Workspace";

insert into "Group" (id, "orgId", name, "workspaceId", "createdAt")
select pg_temp.id('g', n), org, 'Group ' || n, case when n % 2 = 0 then (select id from "Workspace" where id = org) end, timestamp '2024-02-01' + n * interval '1 hour'
  from size, generate_series(1, g) n,
       lateral (select case when n <= g - lost then pg_temp.id('o', 1 + pg_temp.draw(n, 1, o)) end) as t (org);

insert into "Activity" (id, "groupId", title, status, "createdAt")
select pg_temp.id('a', n), pg_temp.id('g', 1 + (pg_temp.draw(n, 2, 1024) * pg_temp.draw(n, 3, 1024) * (g - lost)) / 1048576), 'Activity ' || n,
       (array['DRAFT', 'OPEN', 'CLOSED'])[1 + n % 3], timestamp '2024-03-01' + n * interval '1 minute'
  from size, generate_series(1, rows / 2) n;
insert into "Activity" (id, "groupId", title)
select pg_temp.id('b', n * 3 + i), pg_temp.id('g', n), 'Nobody''s' from size, generate_series(g - lost + 1, g) n, generate_series(0, 2) i;

-- Two in ten know their group alone, five their activity alone, three both: then the group is that of the activity.
insert into "Response" (id, "activityId", "groupId", body, "submittedAt")
select pg_temp.id('r', n), case when n % 10 >= 2 then a.id end, case when n % 10 < 2 or n % 10 >= 7 then a."groupId" end,
       repeat(md5(n::text) || ' ', 1 + (n % 6)::int), timestamp '2024-04-01' + n * interval '1 minute'
  from size, generate_series(1, rows) n join "Activity" a on a.id = pg_temp.id('a', 1 + n / 3);
insert into "Response" (id, "activityId", body)
select pg_temp.id('q', row_number() over (order by a.id, i)), a.id, 'To nobody''s' from "Activity" a, generate_series(1, 2) i where a.title = 'Nobody''s';
insert into "Response" (id, body) select pg_temp.id('s', n), 'To nothing' from size, generate_series(1, orphans) n;

insert into "DataExport" (id, "groupId", "orgId")
select pg_temp.id('x', n), case when n % 5 = 1 then pg_temp.id('g', 1 + pg_temp.draw(n, 4, g - lost)) end,
       case when n % 5 > 1 then pg_temp.id('o', 1 + pg_temp.draw(n, 5, o)) end
  from size, generate_series(1, 5 * (rows / 250)) n;

insert into "AuditLog" (id, "actorUserId", action)
select pg_temp.id('l', n), pg_temp.id('u', k + 1 + pg_temp.draw(n, 6, u - 2 * k)), 'LOGIN' from size, generate_series(1, rows / 5) n;
insert into "AuditLog" (id, "actorUserId", action)
select pg_temp.id('y', n * 2 + i), pg_temp.id('u', n), 'LOGIN' from size, generate_series(u - k + 1, u) n, generate_series(0, 1) i;
insert into "AuditLog" (id, "actorUserId", action)
select pg_temp.id('z', n * 3 + i), pg_temp.id('u', n), 'LOGIN' from size, generate_series(1, k) n, generate_series(0, 2) i;
insert into "AuditLog" (id, action) select pg_temp.id('v', n), 'NIGHTLY' from size, generate_series(1, rows / 100) n;
