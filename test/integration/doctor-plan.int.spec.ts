import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countWithoutValue, openDatabase } from '@highwater/target-db';
import { highwater, sql } from '../support/cli.js';
import { prepare } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

const { freshDatabase } = usePostgres();
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'highwater-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const plan = (more = ''): string => `highwater: 1
migration: hub
defaults: { target: { column: workspaceId, type: text }, references: { table: Workspace, onDelete: cascade } }
tables:
  - table: Connection
    rule: { via: userId, to: Workspace(ownerId), then: { column: id } }
    indexes: { Connection_workspaceId_idx: [workspaceId] }
  - table: Insight
    rule: { via: userId, to: Workspace(ownerId), then: { column: id } }
stream: none
${more}`;

const tables = `
create table "Workspace" (id text primary key, "ownerId" text not null unique);
insert into "Workspace" values ('w1', 'u1');
create table "Connection" (id text primary key, "userId" text not null);
create table "Insight" (id text primary key, "userId" text not null);
insert into "Connection" select 'c' || n, 'u1' from generate_series(1, 9) n;
insert into "Insight" select 'i' || n, 'u1' from generate_series(1, 4) n;`;
const prismaTable = `create table "_prisma_migrations" (id varchar(36) primary key, checksum varchar(64) not null, finished_at timestamptz,
  migration_name varchar(255) not null, logs text, rolled_back_at timestamptz, started_at timestamptz not null default now(), applied_steps_count int not null default 0);`;
const addColumns = `ALTER TABLE "Connection" ADD COLUMN "workspaceId" TEXT;\nALTER TABLE "Insight" ADD COLUMN "workspaceId" TEXT;\n`;
const notNull = `ALTER TABLE "Connection" ALTER COLUMN "workspaceId" SET NOT NULL;\nALTER TABLE "Insight" ALTER COLUMN "workspaceId" SET NOT NULL;\n`;

interface Said {
  letter: string;
  scenario: string;
  findings: { kind: string; on: string; message: string }[];
  commands: { command: string }[];
}
async function doctor(url: string, ...args: string[]): Promise<Said & { code: number }> {
  const { code, out, err } = await highwater({ HIGHWATER_DATABASE_URL: url }, 'doctor', '-o', 'json', ...args);
  expect(err).toBe('');
  return { ...(JSON.parse(out) as Said), code };
}
const messages = ({ findings }: Said, on: string): string =>
  findings
    .filter((one) => one.on === on)
    .map(({ kind, message }) => `${kind}: ${message}`)
    .join('\n');

const written = [
  'pg_class', 'pg_attribute', 'pg_namespace', 'pg_proc', 'pg_type', 'pg_constraint', 'pg_index', 'pg_trigger', 'pg_publication', 'pg_authid', 'pg_replication_slots',
  '"Workspace"', '"Connection"', '"Insight"', '_prisma_migrations',
]; // prettier-ignore
/** Who writes, changes or removes a row of these, or makes an object, changes this; the server's own upkeep does not, as it does the end of WAL. */
const asWritten = (url: string): Promise<Record<string, unknown>[]> =>
  sql(
    url,
    written
      .map((table) => `select '${table}' as table, count(*)::int as rows, sum(${table === 'pg_replication_slots' ? '0' : 'xmin::text::bigint'})::text as by from ${table}`)
      .join(' union all '),
  ); // prettier-ignore

describe('doctor --plan', () => {
  it('before init, beside a failed Prisma migration: tells the state, proves that nothing was applied, and changes nothing', async () => {
    const url = await freshDatabase();
    const planFile = file('hub/plan.yaml', plan());
    const dir = join(folder, 'hub/prisma/migrations');
    file('hub/prisma/migrations/1_add/migration.sql', addColumns);
    file('hub/prisma/migrations/2_not_null/migration.sql', notNull);
    await sql(url, tables + addColumns + prismaTable);
    await sql(
      url,
      `insert into "_prisma_migrations" (id, checksum, migration_name, finished_at, rolled_back_at, started_at) values
        ('a', 'x', '1_add', null, now(), now() - interval '2 h'), ('b', 'x', '1_add', now(), null, now() - interval '1 h'), ('c', 'x', '2_not_null', null, null, now());
       update "Connection" set "workspaceId" = 'w1' where id < 'c4';
       alter table "Connection" add constraint fk foreign key ("workspaceId") references "Workspace" not valid;
       alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`,
    );
    const before = await asWritten(url);
    const said = await doctor(url, '--plan', planFile, '--migrations-dir', dir);
    expect(said).toMatchObject({ code: 2, letter: 'A', scenario: 'columnsThere' });
    expect(messages(said, 'Connection')).toBe(
      [
        'fact: column workspaceId is there: text, nullable',
        'fact: 6 of 9 rows have no workspaceId (counted)',
        'warning: foreign key fk: FOREIGN KEY ("workspaceId") REFERENCES public."Workspace"(id) NOT VALID',
        'fact: index Connection_workspaceId_idx is missing; the plan makes it',
      ].join('\n'),
    );
    expect(messages(said, 'public._prisma_migrations')).toBe(
      "fact: prisma's record: 1 applied, 1 failed, 0 rolled back",
    );
    expect(messages(said, '2_not_null')).toMatch(
      /^warning: failed; nothing of it is in the database\..*keep services.*was changed since/,
    );
    expect(said.commands.map(({ command }) => command)).toEqual([
      'npx prisma migrate resolve --rolled-back 2_not_null',
      'highwater init',
      `highwater preflight ${planFile}`,
      `highwater forecast ${planFile}`,
      `highwater run ${planFile} --cutover --yes`,
      `highwater run ${planFile} --cutover --finish --bridge-unused --yes`,
      'npx prisma migrate resolve --applied 2_not_null',
      'npx prisma migrate status',
      `highwater doctor --plan ${planFile} --migrations-dir ${dir}`,
    ]);
    expect(await asWritten(url)).toEqual(before);
  });

  it('a column is missing: the migration that took place in part is completed by its own statements', async () => {
    const url = await freshDatabase();
    await sql(
      url,
      `${tables} alter table "Connection" add "workspaceId" text; ${prismaTable}
      insert into "_prisma_migrations" (id, checksum, migration_name) values ('a', 'x', '1_add')`,
    );
    const planFile = file('part/plan.yaml', plan());
    file('part/prisma/schema.prisma', '');
    file('part/prisma/migrations/1_add/migration.sql', addColumns);
    const said = await doctor(url, '--plan', planFile, '--migrations-dir', join(folder, 'part/prisma/migrations'));
    expect(said).toMatchObject({ code: 2, letter: 'B' });
    expect(messages(said, 'Insight')).toBe('warning: column workspaceId is missing');
    expect(messages(said, '1_add')).toContain(
      'in part: there are column Connection.workspaceId; missing column Insight.workspaceId',
    );
    expect(said.commands[0]?.command).toBe(
      `npx prisma db execute --stdin --schema ${join(folder, 'part/prisma/schema.prisma')} <<'SQL'\nALTER TABLE "Insight" ADD COLUMN "workspaceId" TEXT;\nSQL`,
    );
    expect(said.commands.some(({ command }) => command.includes('--rolled-back'))).toBe(false);
  });

  it('without the script nobody can tell what a failed migration left: no command is printed', async () => {
    const url = await freshDatabase();
    await sql(
      url,
      `${tables}${addColumns}${prismaTable} insert into "_prisma_migrations" (id, checksum, migration_name) values ('a', 'x', '2_not_null')`,
    );
    const { code, out } = await highwater(
      { HIGHWATER_DATABASE_URL: url },
      'doctor',
      '--plan',
      file('none.yaml', plan()),
    );
    expect(code).toBe(2);
    expect(out).toContain('its script is not at hand (--migrations-dir)');
    expect(out).toContain('no command is printed');
    expect(out).not.toContain('npx prisma migrate');
  });

  it("finds the records of Knex and TypeORM by their shape, under any name, with Knex's lock", async () => {
    const url = await freshDatabase();
    const planFile = file('knex/plan.yaml', plan());
    await sql(
      url,
      `${tables} create schema ops;
       create table knex_migrations_analytics (id serial primary key, name varchar(255), batch int, migration_time timestamptz);
       create table knex_migrations_analytics_lock (index serial primary key, is_locked int);
       insert into knex_migrations_analytics (name, batch) values ('20250101000000_base.js', 1); insert into knex_migrations_analytics_lock (is_locked) values (1);
       create table ops.typeorm_runs (id serial primary key, "timestamp" bigint not null, name varchar not null);
       create table readings (id serial primary key, "timestamp" bigint, name varchar, value int)`,
    );
    file('knex/migrations/20250101000000_base.js', '');
    file(
      'knex/migrations/20250102000000_add.js',
      'exports.up = (k) => k.schema.alterTable("Connection", (t) => t.text("workspaceId"))',
    );
    const dir = join(folder, 'knex/migrations');
    const said = await doctor(url, '--plan', planFile, '--migrations-dir', dir);
    expect(messages(said, 'public.knex_migrations_analytics')).toMatch(
      /^warning: knex's record: 1 applied, 0 failed.*its lock is taken/,
    );
    expect(messages(said, 'ops.typeorm_runs')).toMatch(/^fact: typeorm's record: 0 applied/);
    expect(said.findings.some(({ on }) => on.includes('readings'))).toBe(false);
    expect(said.commands[0]?.command).toBe('npx knex migrate:up 20250102000000_add.js');
    const one = await doctor(url, '--plan', planFile, '--migrations-dir', dir, '--history-table', 'ops.typeorm_runs');
    expect(messages(one, 'public.knex_migrations_analytics')).toBe('');
    const refused = await highwater(
      { HIGHWATER_DATABASE_URL: url },
      'doctor',
      '--plan',
      planFile,
      '--history-table',
      'readings',
    );
    expect(refused).toMatchObject({ code: 3, err: expect.stringMatching(/HW2201.*readings/s) as string });
    const noFolder = await highwater(
      { HIGHWATER_DATABASE_URL: url },
      'doctor',
      '--plan',
      planFile,
      '--migrations-dir',
      join(folder, 'nowhere'),
    );
    expect(noFolder).toMatchObject({ code: 3, err: expect.stringMatching(/HW2202.*nowhere/s) as string });
  });

  it('a wrong type and a missing table: exit 3, the reason, the way out, no command', async () => {
    const url = await freshDatabase();
    await sql(url, `${tables} alter table "Connection" add "workspaceId" bigint; drop table "Insight"`);
    const { code, out } = await highwater(
      { HIGHWATER_DATABASE_URL: url },
      'doctor',
      '--plan',
      file('wrong.yaml', plan()),
    );
    expect(code).toBe(3);
    expect(out).toContain('scenario X (refused)');
    expect(out).toContain('Connection.workspaceId is bigint, the plan says text; say type: bigint');
    expect(out).toContain('table Insight does not exist');
    expect(out).toContain('no command is printed');
  });

  it('everything in place: exit 0 and every line of the checklist that a database can answer', async () => {
    const url = await freshDatabase();
    await sql(
      url,
      `${tables}${addColumns} update "Connection" set "workspaceId" = 'w1'; update "Insight" set "workspaceId" = 'w1'; ${notNull}
       alter table "Connection" add foreign key ("workspaceId") references "Workspace"; alter table "Insight" add foreign key ("workspaceId") references "Workspace";
       create index "Connection_workspaceId_idx" on "Connection" ("workspaceId")`,
    );
    const { code, out } = await highwater(
      { HIGHWATER_DATABASE_URL: url },
      'doctor',
      '--plan',
      file('done.yaml', plan()),
    );
    expect(out).toContain('nothing is to be done');
    expect(out).not.toContain('[ ]');
    expect(code).toBe(0);
  });
});

describe('doctor --plan, of entities', () => {
  const entityPlan = `highwater: 1
migration: entities
entities:
  - table: Workspace
    from: Organization
    key: { ownerId: id }
    values: { id: { template: "w-{id}" }, name: name }
    createdBy: highwater
tables:
  - table: Group
    target: { column: workspaceId, type: text }
    references: { table: Workspace }
    rule: { via: orgId, to: Organization(id), then: { template: "w-{id}" } }
stream: none
`;
  const schema = `create table "Organization" (id text primary key, name text);
    create table "Workspace" (id text primary key, "ownerId" text not null, name text not null default '');
    create unique index "Workspace_owner" on "Workspace" ("ownerId");
    create table "Group" (id int primary key, "orgId" text, "workspaceId" text);
    insert into "Organization" values ('o1', 'one'); insert into "Group" values (1, 'o1');`;

  it('an identity without its unique index, a column without a value, a column that is not there: refused, with the way out', async () => {
    const url = await freshDatabase();
    const path = file('entities.yaml', entityPlan);
    await sql(url, schema);
    const fits = await doctor(url, '--plan', path);
    expect(fits).toMatchObject({ code: 2, scenario: 'columnsThere' });
    expect(messages(fits, 'Workspace')).toBe(
      'fact: entity of Organization, one for each (ownerId); made by the run where one is missing',
    );
    const refused = async (change: string): Promise<string> => {
      await sql(url, change);
      const said = await doctor(url, '--plan', path);
      expect(said).toMatchObject({ code: 3, scenario: 'refused', commands: [] });
      return messages(said, 'Workspace');
    };
    expect(
      await refused(
        `drop index "Workspace_owner"; create unique index "Workspace_owner" on "Workspace" ("ownerId") where name <> ''`,
      ),
    ).toMatch(
      /^obstacle: no valid, unconditional, immediate unique index of .*Workspace.* is over exactly \(ownerId\).*; create unique index concurrently on public."Workspace" \("ownerId"\)/,
    );
    expect(
      await refused(
        `drop index "Workspace_owner"; create unique index on "Workspace" ("ownerId"); alter table "Workspace" add plan text not null`,
      ),
    ).toMatch(/^obstacle: column "plan" of .* takes no NULL and has no default.*; say it: values: \{ plan: … \}/);
    expect(
      await refused(`alter table "Workspace" drop column plan; alter table "Workspace" rename name to title`),
    ).toMatch(/^obstacle: column "name" does not exist on table .*Workspace/);
  });

  it('roles that lack a privilege on them: said, and the very GRANTs printed first', async () => {
    const prepared = await prepare(await freshDatabase(), schema, entityPlan, {
      install: false,
      edit: (grants) => grants.replaceAll(/^grant insert .*;$/gm, ''),
    });
    const { roles, admin } = prepared;
    const { ddl, fill, state, stream } = prepared.database.settings.urls;
    const environment = {
      HIGHWATER_DDL_URL: ddl,
      HIGHWATER_FILL_URL: fill,
      HIGHWATER_STATE_URL: state,
      HIGHWATER_STREAM_URL: stream,
    };
    const path = file('entities.yaml', entityPlan);
    const ask = async () => {
      const { out, err } = await highwater(environment, 'doctor', '-o', 'json', '--plan', path);
      expect(err).toBe('');
      return JSON.parse(out) as Said;
    };
    const said = await ask();
    expect(messages(said, 'privileges')).toMatch(
      /^warning: our roles lack privileges that the plan needs: grant insert/,
    );
    const lines = said.commands[0]?.command.split('\n') ?? [];
    expect(lines[0]).toBe(`psql "$ADMIN_DATABASE_URL" <<'SQL'`);
    expect(lines.slice(1, -1)).toEqual([
      `grant insert ("ownerId", id, name) on table public."Workspace" to ${roles.fill};`,
    ]);
    await admin.query(lines.slice(1, -1).join('\n'));
    expect(messages(await ask(), 'privileges')).toBe('');
    await prepared.close();
  });
});

describe('rows without a value', () => {
  it('are counted in a small table and estimated, with bounds that hold, in a large one', async () => {
    const url = await freshDatabase();
    await sql(
      url,
      `create table t as select n as id, case when n % 4 = 0 then n end as v from generate_series(1, 40000) n; analyze t`,
    );
    const database = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url } });
    try {
      const what = { ident: 'public.t', column: 'v', heapBytes: 1_500_000, rowsEstimated: 40_000 };
      expect(await countWithoutValue(database.ddl, what)).toEqual({ kind: 'exact', rows: 40_000, nulls: 30_000 });
      const estimate = await countWithoutValue(database.ddl, { ...what, heapBytes: 2e8 }, { exactBytesMax: 0 });
      if (estimate.kind !== 'estimate') throw new Error(estimate.kind);
      expect(estimate.sampled).toBeGreaterThan(0);
      expect([estimate.low, estimate.high].map((bound) => Math.sign(bound - 30_000))).toEqual([-1, 1]);
      const denied = await countWithoutValue(database.ddl, { ...what, ident: 'public.nothing' });
      expect(denied.kind).toBe('unreadable');
    } finally {
      await database.close();
    }
  });
});
