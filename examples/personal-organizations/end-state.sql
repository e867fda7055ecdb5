-- The paper's three checks, and everything else that must stand at the end, each line with whether it does.
select 'NOT NULL on projects' as what,
       exists (select from pg_attribute where attrelid = 'projects'::regclass and attname = 'organization_id' and attnotnull) as holds
union all
select 'index idx_projects_org is there and valid',
       exists (select from pg_index where indexrelid = to_regclass('idx_projects_org') and indisvalid and indisready)
union all
select 'foreign key to organizations, validated',
       exists (select from pg_constraint where conrelid = 'projects'::regclass and confrelid = 'organizations'::regclass and contype = 'f' and convalidated)
union all
select 'check 1: projects without organization: 0', not exists (select from projects where organization_id is null)
union all
select 'check 2: every owner is a member',
       not exists (select from organizations o where not exists
         (select from organization_memberships m where m.organization_id = o.id and m.user_id = o.owner_id))
union all
select 'check 3: users with projects and without organization: 0',
       not exists (select from users u where exists (select from projects p where p.owner_id = u.id)
         and not exists (select from organization_memberships m where m.user_id = u.id))
union all
select 'users who never had a project have no organization',
       not exists (select from organizations o join users u on u.id = o.owner_id where u.last_login_at is null and u.id <> 'house')
union all
select 'no slug twice', (select count(*) = count(distinct slug) from organizations)
union all
-- the application marks what it changes itself: a dot for an edit, an exclamation mark for another owner
select 'updated_at is as the application left it', not exists (select from projects where updated_at <> created_at and name !~ '[.!]$')
union all
select 'teams and their members were not touched',
       (select count(*) from organizations where type = 'team') = 2
       and (select count(*) from organization_memberships m join organizations o on o.id = m.organization_id where o.type = 'team') = 2
