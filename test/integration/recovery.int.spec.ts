import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { fileOf, type SqlFile } from '../../libs/local-stack/src/example/folder.js';
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
const all = (statement: (table: string) => string, of = tables): string => of.map(statement).join('; ');

const teams: Checkout[] = [];
function team(prisma: 'real' | 'documented', without?: string): Checkout {
  const made = checkout(prisma);
  teams.push(made);
  cpSync(join(example, 'prisma'), join(made.folder, 'prisma'), { recursive: true });
  if (without !== undefined) rmSync(join(made.folder, 'prisma/migrations', without), { recursive: true });
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
  commands: { command: string }[];
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

/** Runs what doctor prints, line by line: ours by the command line's own code, the team's in a shell. The last is doctor again, content. */
async function follow(checkedOut: Checkout, url: string): Promise<string[]> {
  const { commands } = await doctor(checkedOut, url);
  let last = '';
  for (const { command } of commands) {
    if (!command.startsWith('highwater ')) {
      await checkedOut.run(command, url);
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
  return commands.map(({ command }) => command);
}

describe.concurrent("the paper's scenarios, from doctor's word to the enforced end", { timeout: 300_000 }, () => {
  it('A: columns there, #2 failed (with the real Prisma)', async () => {
    const [of, url] = [team('real'), await found('')];
    expect((await doctor(of, url)).letter).toBe('A');
    expect(await follow(of, url)).toContain(`npx prisma migrate resolve --rolled-back ${second}`);
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

  it('G: all of it stands, and only the record says failed', async () => {
    const [of, url] = [team('documented'), await found(`${backfill}; ${notNull(tables)}`)];
    expect((await doctor(of, url)).letter).toBe('G');
    expect((await follow(of, url))[0]).toBe(`npx prisma migrate resolve --applied ${second}`);
  });
});

describe.concurrent('a run of ours killed half-way', { timeout: 300_000 }, () => {
  it.each([
    ['bridge.sent=kill@2', 'two of four bridges are there'],
    ['cutover.afterGuard=kill', 'a check of ours is in force'],
    ['cutover.setNotNullSent=kill@3', 'two tables are enforced'],
    ['finish.afterNullIndex=kill', 'it was being taken down'],
  ])('at %s: %s', async (failpoint) => {
    const [of, url] = [
      team('documented', second),
      await found(`delete from "_prisma_migrations" where migration_name = '${second}'`),
    ];
    expect((await highwater({ HIGHWATER_DATABASE_URL: url }, 'init')).code).toBe(0);
    await of.killed('highwater run plan.yaml --cutover --finish --bridge-unused --yes', url, {
      HIGHWATER_FAILPOINTS: failpoint,
    });
    expect((await doctor(of, url)).letter).toBe('F');
    await follow(of, url);
  });
});
