-- By hand, independent of the plan: what every row must hold. `wrong` counts rows with another value, and rows that are not there.
with expected as (
  select u.id as owner, 'org-' || u.id as id, coalesce(local || '''s Workspace', 'Personal Workspace') as name,
         coalesce(local, 'personal') || '-' || left(encode(sha256(convert_to(u.id, 'UTF8')), 'hex'), 12) as slug
    from users u, lateral (select nullif(split_part(case when u.email like '%@%' then u.email end, '@', 1), '')) as l (local))
select 'projects' as "table", count(*)::int as rows, count(*) filter (where organization_id is null)::int as nulls,
       count(*) filter (where organization_id is distinct from 'org-' || owner_id or owner_id is null)::int as wrong from projects
union all
-- each owner has one, and each personal one is as it should be
select 'organizations', count(*)::int, count(*) filter (where o.id is null)::int,
       count(*) filter (where o.id is null or (o.name, o.slug, o.owner_id, o.type) is distinct from (e.name, e.slug, e.owner, 'personal'))::int
  from expected e left join organizations o on o.id = e.id
 where o.id is not null or exists (select from projects p where p.owner_id = e.owner)
union all
select 'organization_memberships', count(*)::int, count(*) filter (where m.id is null)::int,
       count(*) filter (where m.id is null or m.id <> 'mem-' || case when o.type = 'team' then o.id else o.owner_id end or m.role <> 'owner' or m.accepted_at is null)::int
  from organizations o left join organization_memberships m on m.organization_id = o.id and m.user_id = o.owner_id
