-- By hand: which rows have no workspace, and why, as the tables are now. Says the same before, during and after the fill.
with of_group as (select id, coalesce("workspaceId", "orgId") as workspace from "Group"),
     of_activity as (select a.id, g.workspace from "Activity" a join of_group g on g.id = a."groupId")
select 'Group' as "table", 'InputNull' as reason, null as "constraint", count(*)::int as rows from "Group" where "orgId" is null
union all
select 'Activity', 'InputNull', null, count(*)::int from of_activity where workspace is null
union all
select 'Response', 'InputNull', null, count(*)::int
  from "Response" r left join of_activity a on a.id = r."activityId" left join of_group g on g.id = r."groupId"
 where a.workspace is null and g.workspace is null
union all
select 'DataExport', 'InputNull', null, count(*)::int from "DataExport" where "groupId" is null and "orgId" is null
union all
select 'AuditLog', reason, null, count(*)::int
  from (select case when l."actorUserId" is null then 'InputNull' when m.n is null then 'NoMatch' when m.n > 1 then 'Ambiguous' end as reason
          from "AuditLog" l left join (select "userId", count(*) as n from "OrgMember" group by 1) m on m."userId" = l."actorUserId") as why
 where reason is not null group by reason
