import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource, EntitySchema, type MigrationInterface } from 'typeorm';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { highwater, sql } from '../support/cli.js';
import { startRun, type Run } from '../support/engine-run.js';
import { checkout, migrationTools, type Checkout } from '../support/migration-tools.js';
import { usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();

/** One statement a line, so that every tool can run them one by one. */
const base = [
  `create table if not exists "Workspace" (id text not null, name text, constraint "Workspace_pkey" primary key (id))`,
  `create table if not exists "Group" (id text not null, "workspaceId" text, "createdAt" timestamp(3), constraint "Group_pkey" primary key (id))`,
  `create table if not exists "Note" (id text not null, "groupId" text not null, constraint "Note_pkey" primary key (id), constraint "Note_groupId_fkey" foreign key ("groupId") references "Group" (id) on delete cascade on update cascade)`,
];
const plan = `highwater: 1
migration: add-workspace
defaults: { target: { column: workspaceId, type: text }, references: { table: Workspace, onDelete: restrict } }
tables:
  - table: Group
    rule: { constant: w1 }
    indexes: { Group_workspaceId_createdAt_idx: [workspaceId, createdAt] }
  - table: Note
    target: { addColumn: true }
    rule: { via: groupId }
    indexes: { Note_workspaceId_idx: [workspaceId] }
cutover: { window: 1s }
stream: none
`;

/** By hand: every column, constraint and index of the team's tables. */
const catalogOf = (url: string) =>
  sql(
    url,
    `select c.relname, a.attname as what, format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end as is
       from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relname in ('Workspace', 'Group', 'Note') and a.attnum > 0 and not a.attisdropped
     union all select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint where conrelid::regclass::text in ('"Workspace"', '"Group"', '"Note"') and contype <> 'n' and conname !~ '^hw_'
     union all select tablename, indexname, indexdef from pg_indexes where tablename in ('Workspace', 'Group', 'Note') and indexname !~ '^hw_' order by 1, 2`,
  );

let run: Run;
let url = '';
let team: Checkout;
let before: unknown;
beforeAll(async () => {
  url = await freshDatabase('migrated');
  team = checkout();
  run = await startRun(url, plan, {
    schema: base.join(';'),
    seed: `insert into "Workspace" values ('w1'); insert into "Group" select 'g' || n from generate_series(1, 50) n;
           insert into "Note" select 'n' || n, 'g' || (n % 50 + 1) from generate_series(1, 200) n`,
  });
  before = await catalogOf(await baseDatabase());
  const done = await run.cutoverOnceReady();
  if (done.status !== 'succeeded') throw new Error(done.error?.message);
});
afterAll(async () => {
  await run.close();
  team.remove();
});

async function baseDatabase(): Promise<string> {
  const fresh = await freshDatabase('fresh');
  await sql(fresh, base.join(';'));
  return fresh;
}
const exported = async (to: string, ...more: string[]): Promise<string> => {
  const { code, out, err } = await highwater(
    { HIGHWATER_DATABASE_URL: url },
    'export',
    'add-workspace',
    '--to',
    to,
    ...more,
  );
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
};
/** The line that the export prints to be pasted. */
const markOf = (out: string): string =>
  /to mark it as applied here:\n# .*\n(.*)\n/.exec(out)?.[1] ?? 'false # nothing printed';

describe('export', () => {
  it('sql: up brings a fresh database to the same catalog, down takes it back', async () => {
    const out = join(team.folder, 'sql');
    await exported('sql', '--out', out);
    const [down = '', up = ''] = readdirSync(out)
      .sort()
      .map((name) => readFileSync(join(out, name), 'utf8'));
    const fresh = await baseDatabase();
    await sql(fresh, up);
    expect(await catalogOf(fresh)).toEqual(await catalogOf(url));
    await sql(fresh, down);
    expect(await catalogOf(fresh)).toEqual(before);
  });

  it('Knex: nothing pending once marked, the same schema from nothing, and down', async () => {
    interface Knex {
      migrate: {
        latest(): Promise<unknown>;
        list(): Promise<[unknown[], unknown[]]>;
        down(): Promise<unknown>;
      };
      destroy(): Promise<void>;
    }
    const knexOf = migrationTools().require('knex') as (config: object) => Knex;
    const directory = join(team.folder, 'knex');
    const connect = (connection: string): Knex =>
      knexOf({
        client: 'pg',
        connection,
        migrations: { directory, tableName: 'knex_migrations_team', loadExtensions: ['.cjs'] },
      });
    team.write(
      'knex/20200101000000_base.cjs',
      `exports.up = async (knex) => {${base.map((one) => `await knex.raw(${JSON.stringify(one)});`).join('')}};\nexports.down = async () => {};\n`,
    );
    const here = connect(url);
    await here.migrate.latest();
    const mark = markOf(await exported('knex', '--out', directory));
    expect(await here.migrate.list().then(([, pending]) => pending.length)).toBe(1);
    await team.run(mark, url);
    expect(await here.migrate.list().then(([done, pending]) => [done.length, pending.length])).toEqual([2, 0]);
    await here.destroy();
    const nothing = await freshDatabase('knex');
    const fresh = connect(nothing);
    await fresh.migrate.latest();
    expect(await catalogOf(nothing)).toEqual(await catalogOf(url));
    await fresh.migrate.down();
    expect(await catalogOf(nothing)).toEqual(before);
    await fresh.destroy();
  });

  it('TypeORM: nothing pending once marked, no drift from its entities, the same schema from nothing, and down', async () => {
    class Base1577836800000 implements MigrationInterface {
      name = 'Base1577836800000';
      async up(runner: { query(text: string): Promise<unknown> }) {
        for (const one of base) await runner.query(one);
      }
      async down() {}
    }
    const directory = join(team.folder, 'typeorm');
    const out = await exported('typeorm', '--out', directory);
    const [file = ''] = readdirSync(directory);
    const { outputText } = ts.transpileModule(readFileSync(join(directory, file), 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    writeFileSync(join(directory, 'compiled.mjs'), outputText);
    const classes = Object.values(
      (await import(join(directory, 'compiled.mjs'))) as object,
    ) as (new () => MigrationInterface)[];
    const open = async (to: string): Promise<DataSource> =>
      new DataSource({ type: 'postgres', url: to, migrations: [Base1577836800000, ...classes], entities }).initialize();
    const here = await open(url);
    await here.query(
      `create table migrations (id serial primary key, "timestamp" bigint not null, name varchar not null)`,
    );
    await here.query(`insert into migrations ("timestamp", name) values (1577836800000, 'Base1577836800000')`);
    expect(await here.showMigrations()).toBe(true);
    await team.run(markOf(out), url);
    expect(await here.showMigrations()).toBe(false);
    const drift = await here.driver.createSchemaBuilder().log();
    // our own index over what is left goes with finish
    expect(drift.upQueries.map(({ query }) => query).filter((query) => !query.includes('"hw_'))).toEqual([]);
    await here.destroy();
    const nothing = await freshDatabase('typeorm');
    const fresh = await open(nothing);
    await fresh.runMigrations();
    expect(await catalogOf(nothing)).toEqual(await catalogOf(url));
    await fresh.undoLastMigration();
    expect(await catalogOf(nothing)).toEqual(before);
    await fresh.destroy();
  });

  it('Prisma: status clean once marked, the same schema from nothing', async () => {
    team.write('prisma/migrations/20200101000000_base/migration.sql', `${base.join(';\n')};\n`);
    team.write('prisma/schema.prisma', prismaSchema());
    await team.run('npx prisma migrate resolve --applied 20200101000000_base', url);
    const out = await exported('prisma', '--out', join(team.folder, 'prisma/migrations'));
    await team.run(markOf(out), url);
    expect(await team.run('npx prisma migrate status', url)).toContain('Database schema is up to date!');
    const nothing = await freshDatabase('prisma');
    await team.run('npx prisma migrate deploy', nothing);
    expect(await catalogOf(nothing)).toEqual(await catalogOf(url));
  });

  it('after unenforce the columns are optional again, and the file says so', async () => {
    expect(await exported('sql')).toMatch(/"workspaceId" set not null;/);
    const by = { actor: { name: 'test', method: 'os' as const } };
    const asked = await run.engine.control.unenforce(run.id, { lockBudgetMs: 5_000 }, by);
    await waitFor(
      'NOT NULL to be taken back',
      async () => (await run.engine.control.operation(asked.id))?.status === 'succeeded',
      { describe: () => run.engine.control.operation(asked.id) },
    );
    const out = await exported('prisma');
    expect(out).not.toContain('set not null');
    expect(out).toContain('add column "workspaceId" text;');
    expect(out).toContain('Note.workspaceId: optional');
  });

  it('an unknown migration is refused by name', async () => {
    const answer = await highwater({ HIGHWATER_DATABASE_URL: url }, 'export', 'other', '--to', 'sql');
    expect(answer).toMatchObject({ code: 64, err: expect.stringMatching(/HW6010.*"other"/s) as string });
    const empty = await highwater({ HIGHWATER_DATABASE_URL: await freshDatabase() }, 'export', '--to', 'sql');
    expect(empty.err).toContain('no migration is known here');
  });
});

const prismaSchema = (): string => `datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}
model Workspace {
  id     String  @id
  name   String?
  groups Group[]
  notes  Note[]
}
model Group {
  id          String    @id
  workspaceId String
  createdAt   DateTime?
  workspace   Workspace @relation(fields: [workspaceId], references: [id], onDelete: Restrict, onUpdate: NoAction)
  notes       Note[]
  @@index([workspaceId, createdAt])
}
model Note {
  id          String    @id
  groupId     String
  workspaceId String
  group       Group     @relation(fields: [groupId], references: [id], onDelete: Cascade)
  workspace   Workspace @relation(fields: [workspaceId], references: [id], onDelete: Restrict, onUpdate: NoAction)
  @@index([workspaceId])
}
`;

const id = (name: string) => ({ type: 'text', primary: true, primaryKeyConstraintName: `${name}_pkey` }) as const;
const toWorkspace = (name: string) =>
  ({
    target: 'Workspace',
    type: 'many-to-one',
    onDelete: 'RESTRICT',
    nullable: false,
    joinColumn: { name: 'workspaceId', foreignKeyConstraintName: `${name}_workspaceId_fkey` },
  }) as const;
const entities = [
  new EntitySchema<object>({
    name: 'Workspace',
    tableName: 'Workspace',
    columns: { id: id('Workspace'), name: { type: 'text', nullable: true } },
  }),
  new EntitySchema<object>({
    name: 'Group',
    tableName: 'Group',
    columns: {
      id: id('Group'),
      workspaceId: { type: 'text' },
      createdAt: { type: 'timestamp', precision: 3, nullable: true },
    },
    relations: { workspace: toWorkspace('Group') },
    indices: [{ name: 'Group_workspaceId_createdAt_idx', columns: ['workspaceId', 'createdAt'] }],
  }),
  new EntitySchema<object>({
    name: 'Note',
    tableName: 'Note',
    columns: { id: id('Note'), groupId: { type: 'text' }, workspaceId: { type: 'text' } },
    relations: {
      workspace: toWorkspace('Note'),
      group: {
        target: 'Group',
        type: 'many-to-one',
        onDelete: 'CASCADE',
        onUpdate: 'CASCADE',
        nullable: false,
        joinColumn: { name: 'groupId', foreignKeyConstraintName: 'Note_groupId_fkey' },
      },
    },
    indices: [{ name: 'Note_workspaceId_idx', columns: ['workspaceId'] }],
  }),
];
