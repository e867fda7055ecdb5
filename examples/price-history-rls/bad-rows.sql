-- By hand: which prices cannot get a tenant, and why, as the tables are now. Says the same before, during and after the fill.
select 'price_history' as "table", 'InputNull' as reason, null as "constraint", count(*)::int as rows
  from price_history p left join events e on e.id = p.event_id
 where p.event_id is null or (e.id is not null and e.tenant_id is null)
union all
select 'price_history', 'ParentMissing', null, count(*)::int from price_history p
 where p.event_id is not null and not exists (select from events e where e.id = p.event_id)
