import { createHash } from 'node:crypto';
import { compilePlan } from '@highwater/derivation';
import type { Catalog, CompiledDerivation } from '@highwater/derivation';
import { parsePlan, type Plan } from '@highwater/plan';
import {
  installSchema,
  openDatabase,
  plannedRowSecurity,
  printGrants,
  readCatalogForPlan,
  rolesWithPrefix,
  type Database,
  type EntityTarget,
  type FillTarget,
} from '@highwater/target-db';
import pg from 'pg';
import { unique, withinLimit } from './stack.js';

export interface Prepared {
  /** As the application and administrator: a superuser. */
  readonly admin: pg.Client;
  readonly database: Database;
  readonly plan: Plan;
  readonly catalog: Catalog;
  readonly derivations: readonly CompiledDerivation[];
  readonly targets: readonly FillTarget[];
  readonly entities: readonly EntityTarget[];
  readonly roles: ReturnType<typeof rolesWithPrefix>;
  readonly url: string;
  /** What `init --print-grants` prints for another plan on this database. */
  grantFor(planYaml: string): Promise<void>;
  close(): Promise<void>;
}

export function planOf(yaml: string): Plan {
  const parsed = parsePlan(yaml, (text) => createHash('sha256').update(text).digest('hex'));
  if ('issues' in parsed) throw new Error(parsed.issues.map((i) => i.message).join('; '));
  return parsed.plan.plan;
}

/**
 * A database with the schema given, owned by an application role, and the five roles of ours with exactly the grants that
 * `init --print-grants` prints. Everything a test does through `database` it does as the least-privilege roles.
 */
export async function prepare(
  url: string,
  schemaSql: string,
  planYaml: string,
  options: {
    readonly grants?: boolean;
    readonly install?: boolean;
    readonly edit?: (grants: string) => string;
    readonly allowedFunctions?: readonly string[];
  } = {},
): Promise<Prepared> {
  const admin = new pg.Client({ connectionString: url, application_name: 'app' });
  admin.on('error', () => undefined); // the server stops after the tests
  await admin.connect();
  const prefix = `hw${unique()}_`;
  const owner = `${prefix}owner`;
  await admin.query(
    `create role ${owner}; grant create, usage on schema public to ${owner};
     do $$ begin execute format('grant create on database %I to ${owner}', current_database()); end $$;
     set role ${owner}; ${schemaSql}; reset role;
     do $$ begin execute format('revoke create on database %I from ${owner}', current_database()); end $$`,
  );
  const asUser = (user: string): string =>
    Object.assign(new URL(url), { username: user, password: 'secret' }).toString();
  const roles = rolesWithPrefix(prefix);
  const allowedFunctions = options.allowedFunctions ?? [];
  const compileFor = async (yaml: string) => {
    const superuser = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url }, allowedFunctions });
    try {
      const plan = planOf(yaml);
      const catalog = await readCatalogForPlan(superuser.state, plan);
      const compiled = compilePlan(plan, catalog);
      if ('issues' in compiled) throw new Error(compiled.issues.map((i) => i.message).join('; '));
      const grants = await printGrants(superuser.ddl, {
        ...compiled,
        rolePrefix: prefix,
        rowSecurity: plannedRowSecurity(plan, compiled.derivations),
      });
      return { plan, catalog, compiled, grants };
    } finally {
      await superuser.close();
    }
  };
  const { plan, catalog, compiled, grants } = await compileFor(planYaml);
  if (options.grants !== false) await admin.query(options.edit ? options.edit(grants) : grants);
  for (const role of [roles.stream, roles.fill, roles.state, roles.ddl])
    if (options.grants !== false) await admin.query(`alter role ${role} password 'secret'`);
  const database = openDatabase({
    urls: {
      stream: asUser(roles.stream),
      fill: asUser(roles.fill),
      state: asUser(roles.state),
      ddl: asUser(roles.ddl),
    },
    allowedFunctions,
  });
  if (options.grants !== false && options.install !== false) await installSchema(database);
  const short = createHash('sha256').update(plan.migration).digest('hex').slice(0, 8);
  if (options.grants !== false && options.install !== false)
    await database.state.query(
      'recording the migration',
      `insert into highwater.migration (id, short, plan_source, plan_hash) values ($1, $2, $3, 'x')`,
      [plan.migration, short, planYaml],
    );
  return {
    admin,
    database,
    plan,
    catalog,
    derivations: compiled.derivations,
    targets: compiled.derivations.map((derivation, targetNo) => ({
      migrationId: plan.migration,
      short,
      targetNo,
      derivation,
    })),
    entities: compiled.entities.map((entity, entityNo) => ({ migrationId: plan.migration, short, entityNo, entity })),
    roles,
    url,
    async grantFor(yaml) {
      await admin.query((await compileFor(yaml)).grants);
    },
    async close() {
      await withinLimit('every session to be given back to its pool', database.close());
      await withinLimit('the administrator to leave', admin.end());
    },
  };
}

/** The tables of the demo's system in their "before" form. */
export const workspaceSchema = `
create table "Organization" (id text primary key, name text);
create table "Workspace" (id text primary key, name text);
create table "Group" (id text primary key, "orgId" text references "Organization", "workspaceId" text, name text);
create table "Activity" (id bigint generated by default as identity primary key, "groupId" text references "Group", "workspaceId" text, title text)`;

export const workspacePlan = `
highwater: 1
migration: organization-to-workspace
defaults:
  target: { column: workspaceId, type: text }
  references: { table: Workspace, onDelete: restrict }
tables:
  - table: Group
    rule: { column: orgId }
    indexes: { Group_workspaceId_idx: [workspaceId] }
  - table: Activity
    rule: { firstOf: [ { via: groupId, then: { column: workspaceId } }, { via: groupId, then: { column: orgId } } ] }
    indexes: { Activity_workspaceId_idx: [workspaceId] }
cutover: { mode: bridge, start: manual, window: 10m }
`;

export const workspaceSeed = `
insert into "Organization" select 'o' || g, 'org' from generate_series(1, 3) g;
insert into "Workspace" select id, name from "Organization";
insert into "Group" (id, "orgId", name) select 'g' || g, 'o' || (g % 3 + 1), 'group' from generate_series(1, 9) g;
insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'activity' from generate_series(1, 200) g`;
