-- By hand, independent of the plan: what every row must hold. `wrong` counts rows with another value, NULL included.
select 'Connection' as "table", count(*)::int as rows, count(*) filter (where c."workspaceId" is null)::int as nulls,
       count(*) filter (where c."workspaceId" is distinct from w.id)::int as wrong
  from "Connection" c left join "Workspace" w on w."ownerId" = c."userId"
union all
select 'MetricDaily', count(*)::int, count(*) filter (where m."workspaceId" is null)::int,
       count(*) filter (where m."workspaceId" is distinct from w.id)::int
  from "MetricDaily" m left join "Workspace" w on w."ownerId" = m."userId"
union all
select 'Insight', count(*)::int, count(*) filter (where i."workspaceId" is null)::int,
       count(*) filter (where i."workspaceId" is distinct from w.id)::int
  from "Insight" i left join "Workspace" w on w."ownerId" = i."userId"
union all
select 'ChatMessage', count(*)::int, count(*) filter (where c."workspaceId" is null)::int,
       count(*) filter (where c."workspaceId" is distinct from w.id)::int
  from "ChatMessage" c left join "Workspace" w on w."ownerId" = c."userId"
