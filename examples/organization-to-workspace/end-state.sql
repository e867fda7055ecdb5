-- The paper's verification queries, and everything else that must stand at the end, each line with whether it does.
select 'NOT NULL on ' || t as what,
       exists (select from pg_attribute where attrelid = format('%I', t)::regclass and attname = 'workspaceId' and attnotnull) as holds
  from unnest(array['Group', 'Activity', 'Response']) t
union all
select t || ' may still have no workspace',
       not exists (select from pg_attribute where attrelid = format('%I', t)::regclass and attname = 'workspaceId' and attnotnull)
  from unnest(array['DataExport', 'AuditLog']) t
union all
select 'index ' || name || ' is valid', exists (select from pg_index where indexrelid = to_regclass(format('%I', name)) and indisvalid)
  from unnest(array['WorkspaceMembership_workspaceId_idx', 'WorkspaceMembership_userId_idx', 'WorkspaceMembership_workspaceId_status_idx',
    'Group_workspaceId_idx', 'Activity_workspaceId_idx', 'Response_workspaceId_idx', 'DataExport_workspaceId_idx', 'AuditLog_workspaceId_idx',
    'Group_workspaceId_createdAt_idx', 'Activity_workspaceId_status_idx', 'Response_workspaceId_submittedAt_idx']) name
union all
select 'organizations without a workspace: none',
       not exists (select from "Organization" o left join "Workspace" w on w.id = o.id where w.id is null)
union all
select 'members without a membership: none',
       not exists (select from "OrgMember" m left join "WorkspaceMembership" w on (w."workspaceId", w."userId") = (m."orgId", m."userId") where w.id is null)
union all
-- one to each workspace of the stopped script, as seed.sql made it
select 'invitations were not touched',
       (select count(*) > 0 and count(*) = count(*) filter (where i."workspaceId" = w.id and i.email = 'new@example.com') from "WorkspaceInvite" i left join "Workspace" w on 'wi-' || w.id = i.id)
