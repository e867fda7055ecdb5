import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { groupsSchema, sql, usePlanFiles } from '../support/cli.js';
import { brokers, unique, usePostgres, withinLimit } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const planFile = usePlanFiles();

/** The programs where nothing else is: no checkout around them and no node_modules above them. */
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'highwater-alone-'));
  cpSync(fileURLToPath(new URL('../../dist', import.meta.url)), folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('the command line does a whole migration, stream and events too, from the folder of the bundle alone', async () => {
  const url = await freshDatabase();
  await sql(url, groupsSchema);
  const name = `alone-${unique()}`;
  const plan = planFile(name, (text) => `${text.replace('stream: none\n', '')}accept: [UnlimitedSlotWal]\n`);
  const environment = {
    PATH: process.env['PATH'] ?? '',
    HIGHWATER_DATABASE_URL: url,
    HIGHWATER_KAFKA_BROKERS: (await brokers()).join(),
    HIGHWATER_TOPIC_PREFIX: unique(),
  };
  const args = ['run', plan, '--cutover', '--finish', '--bridge-unused', '--yes'];
  const run = promisify(execFile)(process.execPath, [join(folder, 'highwater.js'), ...args], {
    cwd: folder,
    env: environment,
  });
  expect((await withinLimit('the whole migration', run)).stderr).toContain('is finished');
  expect(
    await sql(
      url,
      `select attnotnull, (select count(*)::int from "Group" where "workspaceId" is distinct from "orgId") as wrong
         from pg_attribute where attrelid = '"Group"'::regclass and attname = 'workspaceId'`,
    ),
  ).toEqual([{ attnotnull: true, wrong: 0 }]);
});

it('the service listens and answers', async () => {
  const child = spawn(process.execPath, [join(folder, 'service.js')], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      HIGHWATER_DATABASE_URL: await freshDatabase(),
      HIGHWATER_HTTP: '127.0.0.1:0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    const first = new Promise<string>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => resolve(String(chunk))),
    );
    const { listening } = JSON.parse((await withinLimit('the service to listen', first)).split('\n')[0] ?? '') as {
      listening: string;
    };
    expect((await fetch(new URL('/health/live', listening))).status).toBe(200);
    expect((await fetch(new URL('/openapi.json', listening))).status).toBe(200);
  } finally {
    child.kill('SIGTERM');
    await withinLimit('the service to end', gone);
  }
});
