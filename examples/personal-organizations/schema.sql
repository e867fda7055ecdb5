-- The product's tables before the migration, in their PostgreSQL form (the team ran SQLite: text ids, and foreign keys that nobody had
-- switched on, so projects of users who are gone are there). Steps 2 and 3 of the team's script have run as a migration of their own: two
-- new tables that nobody used yet, which locks nothing. The column of step 1 has not been added.

create table users (
  id text primary key,
  email text,
  name text not null,
  -- null: signed up and never came back
  last_login_at timestamptz,
  created_at timestamptz not null default now()
);
create unique index idx_users_email on users (email);

create table projects (
  id text primary key,
  owner_id text,
  name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index idx_projects_owner on projects (owner_id);

create table organizations (
  id text primary key,
  name text not null,
  slug text not null unique,
  owner_id text not null references users (id),
  type text default 'personal',
  settings text default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index idx_organizations_owner on organizations (owner_id);
create index idx_organizations_slug on organizations (slug);
create index idx_organizations_type on organizations (type);

create table organization_memberships (
  id text primary key,
  organization_id text not null references organizations (id) on delete cascade,
  user_id text not null references users (id) on delete cascade,
  role text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  invited_by text references users (id) on delete set null,
  invited_at timestamptz,
  accepted_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, user_id)
);
create index idx_memberships_org on organization_memberships (organization_id);
create index idx_memberships_user on organization_memberships (user_id);
