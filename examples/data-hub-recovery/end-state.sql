-- The paper's verification queries: everything that must stand at the end, each line with whether it does.
select 'NOT NULL on ' || table_name as what, is_nullable = 'NO' as holds
  from information_schema.columns
 where table_schema = 'public' and table_name in ('Connection', 'MetricDaily', 'Insight', 'ChatMessage') and column_name = 'workspaceId'
union all
-- pg_indexes alone would show an index that a broken build left invalid
select 'unique index Connection_workspaceId_provider_key is there and valid',
       exists (select from pg_index i where i.indexrelid = '"Connection_workspaceId_provider_key"'::regclass
                  and i.indrelid = '"Connection"'::regclass and i.indisunique and i.indisvalid and i.indisready)
union all
select 'index ' || name || ' is valid', exists (select from pg_index where indexrelid = format('%I', name)::regclass and indisvalid)
  from unnest(array['MetricDaily_workspaceId_date_idx', 'Insight_workspaceId_createdAt_idx', 'ChatMessage_workspaceId_createdAt_idx']) name
union all
select 'foreign key ' || name || ' still cascades and is validated',
       exists (select from pg_constraint where conname = name and contype = 'f' and confdeltype = 'c' and convalidated
                  and confrelid = '"Workspace"'::regclass)
  from unnest(array['Connection_workspaceId_fkey', 'MetricDaily_workspaceId_fkey', 'Insight_workspaceId_fkey', 'ChatMessage_workspaceId_fkey']) name
union all
select 'no NULL anywhere', not exists (select from "Connection" where "workspaceId" is null)
   and not exists (select from "MetricDaily" where "workspaceId" is null)
   and not exists (select from "Insight" where "workspaceId" is null)
   and not exists (select from "ChatMessage" where "workspaceId" is null)
union all
select 'Prisma holds migration #1 for applied', exists (select from "_prisma_migrations" where migration_name = '20251219170000_add_workspace_to_datahub_models' and finished_at is not null)
