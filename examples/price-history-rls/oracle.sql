-- By hand, independent of the plan: what every row must hold. `wrong` counts rows with another value, NULL included.
select 'price_history' as "table", count(*)::int as rows, count(*) filter (where p.tenant_id is null)::int as nulls,
       count(*) filter (where p.tenant_id is null or p.tenant_id is distinct from e.tenant_id)::int as wrong
  from price_history p left join events e on e.id = p.event_id
