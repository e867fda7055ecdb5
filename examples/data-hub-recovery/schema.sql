-- The Data Hub as the paper found it half-migrated, scenario A: the columns of migration #1 are there, nullable; migration #2 failed.
-- The other scenarios are made from this one, see test/integration/recovery.int.spec.ts.

create table "User" (
  id text not null,
  email text not null,
  name text,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "User_pkey" primary key (id)
);
create unique index "User_email_key" on "User" (email);

create table "Workspace" (
  id text not null,
  name text not null,
  "ownerId" text not null,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "Workspace_pkey" primary key (id),
  constraint "Workspace_ownerId_fkey" foreign key ("ownerId") references "User" (id) on delete cascade on update cascade
);
create unique index "Workspace_ownerId_key" on "Workspace" ("ownerId");

create table "Connection" (
  id text not null,
  "userId" text not null,
  "workspaceId" text,
  provider text not null,
  status text not null default 'ACTIVE',
  "externalId" text,
  "createdAt" timestamp(3) not null default current_timestamp,
  "updatedAt" timestamp(3) not null default current_timestamp,
  constraint "Connection_pkey" primary key (id),
  constraint "Connection_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade,
  constraint "Connection_workspaceId_fkey" foreign key ("workspaceId") references "Workspace" (id) on delete cascade on update cascade
);
create index "Connection_userId_idx" on "Connection" ("userId");
create unique index "Connection_workspaceId_provider_key" on "Connection" ("workspaceId", provider);

create table "MetricDaily" (
  id text not null,
  "userId" text not null,
  "workspaceId" text,
  provider text not null,
  metric text not null,
  date date not null,
  value double precision not null,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "MetricDaily_pkey" primary key (id),
  constraint "MetricDaily_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade,
  constraint "MetricDaily_workspaceId_fkey" foreign key ("workspaceId") references "Workspace" (id) on delete cascade on update cascade
);
create unique index "MetricDaily_userId_provider_metric_date_key" on "MetricDaily" ("userId", provider, metric, date);
create index "MetricDaily_workspaceId_date_idx" on "MetricDaily" ("workspaceId", date);

create table "Insight" (
  id text not null,
  "userId" text not null,
  "workspaceId" text,
  kind text not null,
  title text not null,
  body text,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "Insight_pkey" primary key (id),
  constraint "Insight_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade,
  constraint "Insight_workspaceId_fkey" foreign key ("workspaceId") references "Workspace" (id) on delete cascade on update cascade
);
create index "Insight_userId_idx" on "Insight" ("userId");
create index "Insight_workspaceId_createdAt_idx" on "Insight" ("workspaceId", "createdAt");

create table "ChatMessage" (
  id text not null,
  "userId" text not null,
  "workspaceId" text,
  role text not null,
  content text not null,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "ChatMessage_pkey" primary key (id),
  constraint "ChatMessage_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade,
  constraint "ChatMessage_workspaceId_fkey" foreign key ("workspaceId") references "Workspace" (id) on delete cascade on update cascade
);
create index "ChatMessage_userId_idx" on "ChatMessage" ("userId");
create index "ChatMessage_workspaceId_createdAt_idx" on "ChatMessage" ("workspaceId", "createdAt");

-- Prisma's own record, as the paper found it: #1 is applied, #2 failed (P3018).
create table "_prisma_migrations" (
  id varchar(36) not null primary key,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
);
insert into "_prisma_migrations" (id, checksum, finished_at, migration_name, logs, started_at, applied_steps_count) values
  ('00000000-0000-4000-8000-000000000000', '94e121564ae90fb39a60e8f80e329c43f9f10610e8fc308402b0b93d18f90615', now(), '20251201090000_base', null, now() - interval '3 hours', 1),
  ('10000000-0000-4000-8000-000000000000', '4efe50ab63737058b5aee2e7b61337c8d85ff38547e66df4d5ae92c6c2603a8f', now(), '20251219170000_add_workspace_to_datahub_models', null, now() - interval '2 hours', 1),
  ('20000000-0000-4000-8000-000000000000', '1028b61a27365ad73e605c1826d805204d9aec08a16ebd05cac7e17bbf2a1ff6', null, '20251219171000_datahub_workspace_not_null', 'P3018', now() - interval '1 hours', 0);
