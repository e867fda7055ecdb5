-- The team's tables before the migration: Prisma's quoted names, text ids (cuid), milliseconds. Their migration
-- 20260112075226_add_workspace_model is applied: Workspace, WorkspaceMembership, WorkspaceInvite, nullable "workspaceId" columns,
-- their indexes but one, and foreign keys with ON DELETE SET NULL. 20260112080723_harden_workspace_constraints is not.

create table "User" (id text primary key, email text not null, "createdAt" timestamp(3) not null default current_timestamp);
create unique index "User_email_key" on "User" (email);

create table "Organization" (id text primary key, name text not null, "createdAt" timestamp(3) not null default current_timestamp);

create table "OrgMember" (
  id text primary key,
  "orgId" text not null references "Organization" (id) on delete cascade on update cascade,
  "userId" text not null references "User" (id) on delete cascade on update cascade,
  role text not null default 'MEMBER'
);
create unique index "OrgMember_orgId_userId_key" on "OrgMember" ("orgId", "userId");

create table "Workspace" (id text primary key, name text not null, slug text not null, "createdAt" timestamp(3) not null default current_timestamp);
create unique index "Workspace_slug_key" on "Workspace" (slug);

create table "WorkspaceMembership" (
  id text primary key,
  "workspaceId" text not null references "Workspace" (id) on delete cascade on update cascade,
  "userId" text not null references "User" (id) on delete cascade on update cascade,
  role text not null default 'MEMBER',
  status text not null default 'ACTIVE'
);
create unique index "WorkspaceMembership_workspaceId_userId_key" on "WorkspaceMembership" ("workspaceId", "userId");
create index "WorkspaceMembership_workspaceId_idx" on "WorkspaceMembership" ("workspaceId");
create index "WorkspaceMembership_userId_idx" on "WorkspaceMembership" ("userId");

create table "WorkspaceInvite" (
  id text primary key,
  "workspaceId" text not null references "Workspace" (id) on delete cascade on update cascade,
  email text not null
);

create table "Group" (
  id text primary key,
  "orgId" text references "Organization" (id) on delete set null on update cascade,
  name text not null,
  "workspaceId" text constraint "Group_workspaceId_fkey" references "Workspace" (id) on delete set null on update cascade,
  "createdAt" timestamp(3) not null default current_timestamp
);
create index "Group_orgId_idx" on "Group" ("orgId");
create index "Group_workspaceId_idx" on "Group" ("workspaceId");

create table "Activity" (
  id text primary key,
  "groupId" text not null references "Group" (id) on delete restrict on update cascade,
  title text not null,
  status text not null default 'DRAFT',
  "workspaceId" text constraint "Activity_workspaceId_fkey" references "Workspace" (id) on delete set null on update cascade,
  "createdAt" timestamp(3) not null default current_timestamp
);
create index "Activity_groupId_idx" on "Activity" ("groupId");
create index "Activity_workspaceId_idx" on "Activity" ("workspaceId");

create table "Response" (
  id text primary key,
  "activityId" text references "Activity" (id) on delete set null on update cascade,
  "groupId" text references "Group" (id) on delete set null on update cascade,
  body text not null,
  "submittedAt" timestamp(3) not null default current_timestamp,
  "workspaceId" text constraint "Response_workspaceId_fkey" references "Workspace" (id) on delete set null on update cascade
);
create index "Response_activityId_idx" on "Response" ("activityId");
create index "Response_groupId_idx" on "Response" ("groupId");
create index "Response_workspaceId_idx" on "Response" ("workspaceId");

create table "DataExport" (
  id text primary key,
  "groupId" text references "Group" (id) on delete set null on update cascade,
  "orgId" text references "Organization" (id) on delete set null on update cascade,
  format text not null default 'CSV',
  "workspaceId" text constraint "DataExport_workspaceId_fkey" references "Workspace" (id) on delete set null on update cascade,
  "createdAt" timestamp(3) not null default current_timestamp
);
create index "DataExport_workspaceId_idx" on "DataExport" ("workspaceId");

-- Who did it may be gone, or the system itself: no foreign key.
create table "AuditLog" (
  id text primary key,
  "actorUserId" text,
  action text not null,
  "workspaceId" text constraint "AuditLog_workspaceId_fkey" references "Workspace" (id) on delete set null on update cascade,
  "createdAt" timestamp(3) not null default current_timestamp
);
create index "AuditLog_workspaceId_idx" on "AuditLog" ("workspaceId");
