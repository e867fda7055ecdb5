-- By hand: which rows cannot get a workspace, and why, as the tables are now. Says the same before, during and after the fill.
select 'Connection' as "table", 'UniqueConflict' as reason, 'Connection_workspaceId_provider_key' as "constraint",
       coalesce(sum(n - 1), 0)::int as rows
  from (select count(*) as n from "Connection" c join "Workspace" w on w."ownerId" = c."userId" group by w.id, c.provider) as g
union all
select 'Connection', 'ParentMissing', null, count(*)::int from "Connection" c
 where not exists (select from "Workspace" w where w."ownerId" = c."userId")
union all
select 'MetricDaily', 'ParentMissing', null, count(*)::int from "MetricDaily" m
 where not exists (select from "Workspace" w where w."ownerId" = m."userId")
union all
select 'Insight', 'ParentMissing', null, count(*)::int from "Insight" i
 where not exists (select from "Workspace" w where w."ownerId" = i."userId")
union all
select 'ChatMessage', 'ParentMissing', null, count(*)::int from "ChatMessage" c
 where not exists (select from "Workspace" w where w."ownerId" = c."userId")
