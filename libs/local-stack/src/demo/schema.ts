/**
 * The demo's system before its migration (the team of the hardening audit): Prisma's quoted names and text ids, and
 * `workspaceId` columns that their own migration added, nullable and without a foreign key.
 *
 * In two halves, since a load into tables without keys and indexes takes a third of the time.
 */
export const tables = `
create table "Organization" (
  id text not null,
  name text not null,
  "createdAt" timestamp(3) not null default current_timestamp
);
create table "Workspace" (
  id text not null,
  name text not null,
  slug text not null,
  "createdAt" timestamp(3) not null default current_timestamp
);
create table "Group" (
  id text not null,
  "orgId" text,
  name text not null,
  "workspaceId" text,
  "createdAt" timestamp(3) not null default current_timestamp
);
create table "Activity" (
  id text not null,
  "groupId" text not null,
  title text not null,
  description text,
  status text not null default 'DRAFT',
  "workspaceId" text,
  "createdAt" timestamp(3) not null default current_timestamp,
  "updatedAt" timestamp(3) not null default current_timestamp
);
create table "Response" (
  id text not null,
  "activityId" text,
  "groupId" text,
  body text not null,
  score integer,
  "submittedAt" timestamp(3) not null default current_timestamp,
  "workspaceId" text
);
`;

/** Prisma's: an optional relation is set null, a required one restricts. */
export const keysAndIndexes = `
alter table "Organization" add constraint "Organization_pkey" primary key (id);
alter table "Workspace" add constraint "Workspace_pkey" primary key (id);
create unique index "Workspace_slug_key" on "Workspace" (slug);
alter table "Group" add constraint "Group_pkey" primary key (id);
alter table "Activity" add constraint "Activity_pkey" primary key (id);
alter table "Response" add constraint "Response_pkey" primary key (id);
create index "Group_orgId_idx" on "Group" ("orgId");
create index "Activity_groupId_idx" on "Activity" ("groupId");
create index "Response_activityId_idx" on "Response" ("activityId");
create index "Response_groupId_idx" on "Response" ("groupId");
alter table "Group" add constraint "Group_orgId_fkey"
  foreign key ("orgId") references "Organization" (id) on delete set null on update cascade;
alter table "Activity" add constraint "Activity_groupId_fkey"
  foreign key ("groupId") references "Group" (id) on delete restrict on update cascade;
alter table "Response" add constraint "Response_activityId_fkey"
  foreign key ("activityId") references "Activity" (id) on delete set null on update cascade;
alter table "Response" add constraint "Response_groupId_fkey"
  foreign key ("groupId") references "Group" (id) on delete set null on update cascade;
`;

export const tableNames = ['Organization', 'Workspace', 'Group', 'Activity', 'Response'] as const;
