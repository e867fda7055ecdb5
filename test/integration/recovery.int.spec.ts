import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { must } from '@highwater/kernel';
import { fileOf, type SqlFile } from '../../libs/local-stack/src/example/folder.js';
import { catalogDifferences, catalogSnapshot } from '../../libs/local-stack/src/example/catalog-snapshot.js';
import { highwater, sql } from '../support/cli.js';
import { checkout, type Checkout } from '../support/migration-tools.js';
import { usePostgres } from '../support/stack.js';

// The paper's scenarios, and runs of ours killed half-way: doctor names each, and each command that it prints is run as it stands, to the
// enforced end. Two of them with the real Prisma.

const { freshDatabase } = usePostgres();
const example = fileURLToPath(new URL('../../examples/data-hub-recovery/', import.meta.url));
const read = (name: SqlFile): string => readFileSync(fileOf('data-hub-recovery', name), 'utf8');
const tables = ['Connection', 'MetricDaily', 'Insight', 'ChatMessage'];
const first = '20251219170000_add_workspace_to_datahub_models';
const second = '20251219171000_datahub_workspace_not_null';
const notNullScript = readFileSync(join(example, 'prisma/migrations', second, 'migration.sql'), 'utf8');
const all = (statement: (table: string) => string, of = tables): string => of.map(statement).join('; ');

const teams: Checkout[] = [];
function team(prisma: 'real' | 'documented'): Checkout {
  const made = checkout(prisma);
  teams.push(made);
  cpSync(join(example, 'prisma'), join(made.folder, 'prisma'), { recursive: true });
  made.write(
    'plan.yaml',
    readFileSync(join(example, 'plan.yaml'), 'utf8')
      .replace('window: 10m', 'window: 1s')
      .replace(/^stream: .*$/m, 'stream: none'),
  );
  return made;
}
afterAll(() => teams.forEach((one) => one.remove()));

/** Scenario A at a thousand rows, with the bad rows repaired by the team; then what the scenario says. */
async function found(change: string): Promise<string> {
  const url = await freshDatabase('recovery');
  await sql(url, read('schema.sql'));
  await sql(url, `set example.rows = 1000; set example.seed = 1; ${read('seed.sql')}`);
  await sql(url, `${read('repair.sql')}; ${change}`);
  return url;
}

const dropColumns = (of: string[]): string => all((table) => `alter table "${table}" drop column "workspaceId"`, of);
const failed = (name: string): string =>
  `update "_prisma_migrations" set finished_at = null, applied_steps_count = 0 where migration_name = '${name}'`;
const backfill = all(
  (table) =>
    `update "${table}" t set "workspaceId" = w.id from "Workspace" w where w."ownerId" = t."userId" and t."workspaceId" is null`,
);
const notNull = (of: string[]): string =>
  all((table) => `alter table "${table}" alter column "workspaceId" set not null`, of);

interface Said {
  letter: string;
  commands: { command: string; instead?: string }[];
  findings: { kind: string; on: string; message: string }[];
}
/** Exit code 2: something is to be done. */
async function doctor({ folder }: Checkout, url: string): Promise<Said> {
  const asked = [
    '--plan',
    join(folder, 'plan.yaml'),
    '--migrations-dir',
    join(folder, 'prisma/migrations'),
    '-o',
    'json',
  ];
  const { code, out, err } = await highwater({ HIGHWATER_DATABASE_URL: url }, 'doctor', ...asked);
  expect({ code, err }).toEqual({ code: 2, err: '' });
  return JSON.parse(out) as Said;
}

/**
 * Runs what doctor prints, line by line: ours by the command line's own code, the team's in a shell; where the tool itself fails, the SQL that is
 * printed beside its command. The last is doctor again, content.
 */
async function follow(checkedOut: Checkout, url: string, toolFails = false): Promise<string[]> {
  const { commands } = await doctor(checkedOut, url);
  let last = '';
  for (const { command, instead } of commands) {
    if (!command.startsWith('highwater ')) {
      await checkedOut.run(toolFails ? (instead ?? command) : command, url);
      continue;
    }
    const done = await highwater({ HIGHWATER_DATABASE_URL: url }, ...command.split(' ').slice(1));
    expect(done.code, `${command}\n${done.out}\n${done.err}`).toBe(0);
    last = done.out;
  }
  expect(last).toContain('scenario G (done)');
  expect((await sql(url, read('end-state.sql'))).filter(({ holds }) => holds !== true)).toEqual([]);
  for (const row of await sql(url, read('oracle.sql'))) expect(row).toMatchObject({ nulls: 0, wrong: 0 });
  const open = `select migration_name from "_prisma_migrations" group by 1 having not bool_or(finished_at is not null and rolled_back_at is null)`;
  expect(await sql(url, open)).toEqual([]);
  // the team's own NOT NULL migration, run all the same: it finds nothing to do
  const before = await catalogSnapshot(url);
  await sql(url, notNullScript);
  expect(catalogDifferences(before, await catalogSnapshot(url))).toEqual([]);
  return commands.map(({ command }) => command);
}

describe.concurrent("the paper's scenarios, from doctor's word to the enforced end", { timeout: 600_000 }, () => {
  it('A: columns there, #2 failed (with the real Prisma)', async () => {
    const [of, url] = [team('real'), await found('')];
    expect((await doctor(of, url)).letter).toBe('A');
    expect(await follow(of, url)).toContain(`npx prisma migrate resolve --rolled-back ${second}`);
    // and Prisma goes on as ever: a next, ordinary migration is deployed, and nothing else with it
    of.write('prisma/migrations/20260115120000_notes/migration.sql', 'ALTER TABLE "Insight" ADD COLUMN "note" TEXT;\n');
    const deployed = await of.run('npx prisma migrate deploy', url);
    expect(deployed).toMatch(/20260115120000_notes[\s\S]*successfully applied/);
    expect(deployed).not.toContain(second);
    expect(await sql(url, `select count("note")::int as n from "Insight"`)).toEqual([{ n: 0 }]);
  });

  it('A, half: #1 failed after its columns, before keys and indexes; they are completed, NOT NULL is not', async () => {
    const gone = all((table) => `alter table "${table}" drop constraint "${table}_workspaceId_fkey"`);
    const indexes = `drop index "Connection_workspaceId_provider_key", "MetricDaily_workspaceId_date_idx", "Insight_workspaceId_createdAt_idx"`;
    const [of, url] = [team('documented'), await found(`${gone}; ${indexes}; ${failed(first)}`)];
    expect((await doctor(of, url)).letter).toBe('A');
    const [completed = '', ...others] = await follow(of, url);
    expect(completed).toContain('CREATE UNIQUE INDEX "Connection_workspaceId_provider_key"');
    expect(completed).not.toMatch(/ADD COLUMN|ChatMessage_workspaceId_createdAt_idx/);
    expect(others).not.toContain(`npx prisma migrate resolve --rolled-back ${first}`);
  });

  it('B: columns missing, both failed; the columns come by #1 alone', async () => {
    const [of, url] = [team('documented'), await found(`${dropColumns(tables)}; ${failed(first)}`)];
    expect((await doctor(of, url)).letter).toBe('B');
    const commands = await follow(of, url);
    expect(commands[1]).toContain(`npx prisma db execute --file ${of.folder}/prisma/migrations/${first}/migration.sql`);
  });

  it('B, half: #1 failed after two of four tables; its own missing statements complete it (with the real Prisma)', async () => {
    const [of, url] = [team('real'), await found(`${dropColumns(['Insight', 'ChatMessage'])}; ${failed(first)}`)];
    expect((await doctor(of, url)).letter).toBe('B');
    const commands = await follow(of, url);
    expect(commands[0]).toContain('ALTER TABLE "ChatMessage" ADD COLUMN "workspaceId" TEXT;');
    expect(commands[0]).not.toContain('ALTER TABLE "Connection" ADD COLUMN');
    expect(commands).not.toContain(`npx prisma migrate resolve --rolled-back ${first}`);
  });

  it('C: their backfill went through, #2 was never tried again', async () => {
    const [of, url] = [team('documented'), await found(backfill)];
    expect((await doctor(of, url)).letter).toBe('C');
    await follow(of, url);
  });

  it('D: NOT NULL by hand on two tables', async () => {
    const change = `${backfill}; ${notNull(['Connection', 'Insight'])}; update "ChatMessage" set "workspaceId" = null`;
    const [of, url] = [team('documented'), await found(change)];
    expect((await doctor(of, url)).letter).toBe('D');
    await follow(of, url);
  });

  it('G: all of it stands, and only the record says failed; marked by the SQL for the day the tool fails', async () => {
    const [of, url] = [team('documented'), await found(`${backfill}; ${notNull(tables)}`)];
    expect((await doctor(of, url)).letter).toBe('G');
    expect((await follow(of, url, true))[0]).toBe(`npx prisma migrate resolve --applied ${second}`);
  });
});

/** Steps of a run in the order in which they come; each kills the process that got so far. Of four tables the number says at which. */
const steps = [
  'bridge.sent=kill@2',
  'cutover.afterBegan=kill',
  'cutover.afterGuard=kill',
  'cutover.afterGuarded=kill',
  'cutover.afterValidate=kill',
  'cutover.setNotNullSent=kill@2',
  'cutover.afterEnforced=kill',
  'cutover.guardSent=kill',
  'finish.afterJudged=kill',
  'finish.afterNullIndex=kill@2',
  'finish.bridgeSent=kill',
  'finish.afterBridge=kill@2',
];

describe.concurrent('a run of ours killed half-way', { timeout: 600_000 }, () => {
  it('through each of its steps, one kill after the other: doctor says F each time, and its own command is what goes on', async () => {
    // #2 is pending: a service that migrates at its start would run it in the middle, and it would fail
    const pending = `delete from "_prisma_migrations" where migration_name = '${second}'`;
    const [of, url] = [team('documented'), await found(pending)];
    of.write('plan.yaml', slow(of.read('plan.yaml')));
    expect((await highwater({ HIGHWATER_DATABASE_URL: url }, 'init')).code).toBe(0);
    let command = 'highwater run plan.yaml --cutover --finish --bridge-unused --yes';
    const goesOn = async (): Promise<Said> => {
      const said = await doctor(of, url);
      expect(said.letter).toBe('F');
      command = must(
        said.commands.map((one) => one.command).findLast((one) => one.startsWith('highwater run')),
        'doctor prints the run',
      );
      return said;
    };
    const halfFilled = `select count("workspaceId") > 150 and count(*) > count("workspaceId") as half from "MetricDaily"`;
    // rows that somebody holds, more than one chunk's, keep it half-way however late we look
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query(
      `begin; select from "MetricDaily" where "workspaceId" is null order by id desc limit 30 for update`,
    );
    await of.killed(command, url, { when: async () => (await sql(url, halfFilled))[0]?.['half'] === true });
    await holder.end();
    expect((await goesOn()).findings.find(({ on }) => on === second)).toMatchObject({
      kind: 'warning',
      message: expect.stringContaining('keep services that migrate at their start from running it') as string,
    });
    for (const failpoint of steps) {
      await of.killed(command, url, { environment: { HIGHWATER_FAILPOINTS: failpoint } });
      await goesOn();
    }
    await follow(of, url);
  });
});

/** So that the sweep of a thousand rows takes a few seconds. */
const slow = (plan: string): string =>
  plan.replace('sweepWorkers: 2', 'sweepWorkers: 2, sweepRowsPerSecondMax: 400, chunkRowsMax: 20');
