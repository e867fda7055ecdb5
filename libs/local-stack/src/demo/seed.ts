import pg from 'pg';
import { keysAndIndexes, tableNames, tables } from './schema.js';

export interface SeedOptions {
  /** Activities, and as many responses. */
  readonly rows: number;
  readonly organizations?: number;
  readonly groups?: number;
  /** The same number makes the same rows. */
  readonly seed?: number;
  /** Created when absent: the tables' owner (no login) and the account of the application. */
  readonly ownerRole: string;
  readonly applicationRole: string;
  readonly applicationPassword: string;
}

/** Hexadecimal ids in the shape of cuids: 25 characters, in the order of their creation. `$1` is the seed. */
const id = (kind: string, n: string): string =>
  `'cl' || lpad(to_hex(${n}), 8, '0') || substr(md5($1::int8::text || '${kind}' || (${n})::text), 1, 15)`;

/** A repeatable number in [0, 1) for row `n`; `salt` tells the draws of one row apart. */
const draw = (n: string, salt: number): string =>
  `((hashint8extended((${n})::int8, $1::int8 * 1000 + ${salt}) & 1048575) / 1048576.0)`;

/**
 * Creates and loads the tables of an empty database, as its superuser: organizations with a workspace of the same id, groups of
 * which every tenth already has its workspaceId (the others resolve through orgId, the second choice), activities piled
 * onto few groups as in real life, responses of which a fifth have no activity and resolve through their group. Every row resolves.
 */
export async function seedDatabase(superuserUrl: string, options: SeedOptions): Promise<void> {
  const { rows, organizations = 200, groups = 5_000, seed = 1 } = options;
  const client = new pg.Client({ connectionString: superuserUrl, application_name: 'demo seed' });
  await client.connect();
  try {
    await client.query('set synchronous_commit = off');
    await createAccounts(client, options);
    await client.query(`set role ${pg.escapeIdentifier(options.ownerRole)}`);
    await client.query(tables);
    await client.query(
      `insert into "Organization" (id, name, "createdAt")
       select ${id('o', 'n')}, 'Organization ' || n, timestamp '2023-01-01' + n * interval '1 day' / 4
         from generate_series(1, $2::int) n`,
      [seed, organizations],
    );
    await client.query(
      `insert into "Workspace" (id, name, slug, "createdAt") select id, name, 'org-' || id, "createdAt" from "Organization"`,
    );
    await client.query(
      `insert into "Group" (id, "orgId", name, "workspaceId", "createdAt")
       select ${id('g', 'n')}, o.id, 'Group ' || n, case when n % 10 = 0 then o.id end,
              timestamp '2023-06-01' + n * interval '1 hour'
         from generate_series(1, $2::int) n,
              lateral (select 1 + floor(${draw('n', 1)} * $3::int)::int as k) pick,
              lateral (select ${id('o', 'pick.k')} as id) o`,
      [seed, groups, organizations],
    );
    await client.query(activities, [seed, rows, groups]);
    await client.query(responses, [seed, rows, groups]);
    await client.query(keysAndIndexes);
    for (const table of tableNames) await client.query(`vacuum (analyze) "${table}"`);
    const application = pg.escapeIdentifier(options.applicationRole);
    await client.query(`grant select, insert, update, delete on all tables in schema public to ${application}`);
  } finally {
    await client.end();
  }
}

/** The group of activity `n`: squared, so that a few groups hold most of the activities. */
const groupOfActivity = (n: string): string => id('g', `(1 + floor(power(${draw(n, 2)}, 2) * $3::int))::int`);

const activities = `
insert into "Activity" (id, "groupId", title, description, status, "createdAt", "updatedAt")
select ${id('a', 'n')}, ${groupOfActivity('n')}, 'Activity ' || n,
       case when ${draw('n', 3)} < 0.6 then repeat(md5(n::text) || ' ', 1 + (${draw('n', 4)} * 5)::int) end,
       (array['DRAFT', 'OPEN', 'OPEN', 'CLOSED', 'ARCHIVED'])[1 + floor(${draw('n', 5)} * 5)::int],
       created, created
  from generate_series(1, $2::int) n, lateral (select timestamp '2024-01-01' + n * interval '1 minute') as t (created)`;

/** Two in ten have only a group, five only an activity, three both: then the group is that of the activity. */
const responses = `
insert into "Response" (id, "activityId", "groupId", body, score, "submittedAt")
select ${id('r', 'n')}, case when kind >= 2 then ${id('a', 'activity')} end,
       case when kind < 2 or kind >= 7 then ${groupOfActivity('activity')} end,
       repeat(md5(n::text) || ' ', 1 + (${draw('n', 6)} * 6)::int),
       case when ${draw('n', 7)} < 0.8 then (${draw('n', 8)} * 100)::int end,
       timestamp '2024-01-02' + n * interval '1 minute'
  from generate_series(1, $2::int) n,
       lateral (select (${draw('n', 9)} * 10)::int % 10 as kind, (1 + floor(${draw('n', 10)} * $2::int))::int as activity) pick`;

/** The tables' owner, who cannot log in, and the application, who can; as a superuser. */
export async function createAccounts(
  client: pg.Client,
  options: Pick<SeedOptions, 'ownerRole' | 'applicationRole' | 'applicationPassword'>,
): Promise<void> {
  const owner = pg.escapeIdentifier(options.ownerRole);
  const application = pg.escapeIdentifier(options.applicationRole);
  const { rows } = await client.query<{ rolname: string }>('select rolname from pg_catalog.pg_roles');
  const exists = new Set(rows.map(({ rolname }) => rolname));
  if (!exists.has(options.ownerRole)) await client.query(`create role ${owner}`);
  if (!exists.has(options.applicationRole)) await client.query(`create role ${application} login`);
  await client.query(`alter role ${application} password ${pg.escapeLiteral(options.applicationPassword)}`);
  await client.query(`grant ${owner} to current_user`);
  await client.query(`grant usage, create on schema public to ${owner}`);
  await client.query(`grant usage on schema public to ${application}`);
}

/** Roles belong to the whole server: on one that is not ours they go with the database. Call it after the database is dropped. */
export async function dropRoles(superuserUrl: string, names: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl, application_name: 'demo seed' });
  await client.connect();
  try {
    for (const name of names) await client.query(`drop role if exists ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
