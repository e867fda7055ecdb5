-- Everything that must stand at the end, each line with whether it does.
select 'NOT NULL on price_history' as what,
       exists (select from information_schema.columns where table_name = 'price_history' and column_name = 'tenant_id' and is_nullable = 'NO') as holds
union all
select 'price_history.tenant_id is a uuid without a default',
       exists (select from information_schema.columns
                where table_name = 'price_history' and column_name = 'tenant_id' and data_type = 'uuid' and column_default is null)
union all
select 'index price_history_tenant_id_index is there and valid',
       exists (select from pg_index where indexrelid = to_regclass('price_history_tenant_id_index') and indisvalid and indisready)
union all
-- the policy hides nothing from everybody: what all tenants together see is everything there is
select 'every price is seen by exactly one tenant',
       (select count(*) from price_history) = (select coalesce(sum(n), 0) from (select count(*) as n from price_history where tenant_id is not null group by tenant_id) t)
union all
select 'the service''s own table of migrations is as it was',
       (select array_agg(name::text || '/' || batch order by id) from knex_migrations_analytics)
         = array['001_analytics_baseline.ts/1', '002_create_external_analytics_tables.ts/2']
       and (select is_locked from knex_migrations_analytics_lock) = 0
union all
select 'row level security is on, and on no other table',
       (select array_agg(relname::text) from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace) = array['price_history']
union all
select 'tenant_isolation_policy is the only policy: for everybody and every command, reading and writing by the setting',
       (select count(*) = 1 and bool_and(policyname = 'tenant_isolation_policy' and tablename = 'price_history' and permissive = 'PERMISSIVE'
                 and roles = '{public}' and cmd = 'ALL' and qual = with_check
                 and regexp_replace(qual, '\s|::text', '', 'g') = '(tenant_id=(NULLIF(current_setting(''app.tenant_id'',true),''''))::uuid)')
          from pg_policies where schemaname = 'public')
