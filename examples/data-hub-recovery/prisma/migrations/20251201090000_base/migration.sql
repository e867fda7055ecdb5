-- The tables as they were before workspaces reached the Data Hub.
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
  provider text not null,
  status text not null default 'ACTIVE',
  "externalId" text,
  "createdAt" timestamp(3) not null default current_timestamp,
  "updatedAt" timestamp(3) not null default current_timestamp,
  constraint "Connection_pkey" primary key (id),
  constraint "Connection_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade
);
create index "Connection_userId_idx" on "Connection" ("userId");

create table "MetricDaily" (
  id text not null,
  "userId" text not null,
  provider text not null,
  metric text not null,
  date date not null,
  value double precision not null,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "MetricDaily_pkey" primary key (id),
  constraint "MetricDaily_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade
);
create unique index "MetricDaily_userId_provider_metric_date_key" on "MetricDaily" ("userId", provider, metric, date);

create table "Insight" (
  id text not null,
  "userId" text not null,
  kind text not null,
  title text not null,
  body text,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "Insight_pkey" primary key (id),
  constraint "Insight_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade
);
create index "Insight_userId_idx" on "Insight" ("userId");

create table "ChatMessage" (
  id text not null,
  "userId" text not null,
  role text not null,
  content text not null,
  "createdAt" timestamp(3) not null default current_timestamp,
  constraint "ChatMessage_pkey" primary key (id),
  constraint "ChatMessage_userId_fkey" foreign key ("userId") references "User" (id) on delete cascade on update cascade
);
create index "ChatMessage_userId_idx" on "ChatMessage" ("userId");
