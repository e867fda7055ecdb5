-- By hand: which projects have no organization, which give none, and why, as the tables are now. Says the same before, during and after the fill.
with named as (
  select id, coalesce(nullif(split_part(case when email like '%@%' then email end, '@', 1), ''), 'personal') || '-'
             || left(encode(sha256(convert_to(id, 'UTF8')), 'hex'), 12) as slug from users),
     taken as (select n.id from named n join organizations o on o.slug = n.slug and o.id <> 'org-' || n.id),
     judged as (
  select p.owner_id, u.id is null as gone, t.id is not null as taken
    from projects p left join users u on u.id = p.owner_id left join taken t on t.id = p.owner_id)
select 'projects' as "table", 'InputNull' as reason, null as "constraint", count(*)::int as rows from judged where owner_id is null
union all
select 'projects', 'EntityMissing', null, count(*)::int from judged where owner_id is not null and (gone or taken)
union all
select 'organizations', 'InputNull', null, count(*)::int from judged where owner_id is null
union all
select 'organizations', 'ParentMissing', null, count(*)::int from judged where owner_id is not null and gone
union all
select 'organizations', 'UniqueConflict', 'organizations_slug_key', count(*)::int from judged where taken
