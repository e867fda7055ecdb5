-- By hand, independent of the plan: what every row must hold. `wrong` counts rows with another value; NULL is right where the
-- derivation gives none, which it may for exports and audit logs alone.
with of_group as (select id, "orgId" as workspace from "Group"),
     of_activity as (select a.id, g.workspace from "Activity" a join of_group g on g.id = a."groupId")
select 'Group' as "table", count(*)::int as rows, count(*) filter (where "workspaceId" is null)::int as nulls,
       count(*) filter (where "workspaceId" is null or "workspaceId" is distinct from "orgId")::int as wrong from "Group"
union all
select 'Activity', count(*)::int, count(*) filter (where t."workspaceId" is null)::int,
       count(*) filter (where t."workspaceId" is null or t."workspaceId" is distinct from a.workspace)::int
  from "Activity" t join of_activity a on a.id = t.id
union all
select 'Response', count(*)::int, count(*) filter (where r."workspaceId" is null)::int,
       count(*) filter (where r."workspaceId" is null or r."workspaceId" is distinct from coalesce(a.workspace, g.workspace))::int
  from "Response" r left join of_activity a on a.id = r."activityId" left join of_group g on g.id = r."groupId"
union all
select 'DataExport', count(*)::int, count(*) filter (where x."workspaceId" is null)::int,
       count(*) filter (where x."workspaceId" is distinct from coalesce(g.workspace, x."orgId"))::int
  from "DataExport" x left join of_group g on g.id = x."groupId"
union all
select 'AuditLog', count(*)::int, count(*) filter (where l."workspaceId" is null)::int,
       count(*) filter (where l."workspaceId" is distinct from m.only)::int
  from "AuditLog" l left join (select "userId", min("orgId") as only from "OrgMember" group by 1 having count(*) = 1) m on m."userId" = l."actorUserId"
union all
-- one of each for every organization and every member, and no other
select 'Workspace', count(*)::int, count(*) filter (where w.id is null)::int,
       count(*) filter (where o.id is null or w.id is null or (w.name, w.slug) is distinct from (o.name, 'org-' || o.id))::int
  from "Organization" o full join "Workspace" w on w.id = o.id
union all
select 'WorkspaceMembership', count(*)::int, count(*) filter (where w.id is null)::int,
       count(*) filter (where m.id is null or w.id is null or (w.id, w.role, w.status) is distinct from ('wm-' || m.id, m.role, 'ACTIVE'))::int
  from "OrgMember" m full join "WorkspaceMembership" w on (w."workspaceId", w."userId") = (m."orgId", m."userId")
