import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { tryLead } from '@highwater/target-db';
import { usePostgres, waitFor } from '../support/stack.js';

const cluster = usePostgres();
/** Whoever is not let run for two thirds of it loses the lead with good reason. */
const silentForMs = 4_000;
let other: ChildProcess | undefined;
afterEach(() => other?.kill('SIGKILL'));

const leads = `
  import { tryLead } from ${JSON.stringify(new URL('../../libs/target-db/dist/index.js', import.meta.url).href)};
  const url = process.argv[1];
  const lead = await tryLead({ urls: { stream: url, fill: url, state: url, ddl: url } }, 'control', () => console.log('lost'), ${silentForMs});
  console.log(lead ? 'leads' : 'stands by');
  setInterval(() => {}, 1_000);`;

it('the loss of a lead is told once: told again later, it would be taken for the loss of the next one', async () => {
  const url = await cluster.freshDatabase();
  const settings = { urls: { stream: url, fill: url, state: url, ddl: url } };
  const told: string[] = [];
  expect(await tryLead(settings, 'control', ({ message }) => told.push(message))).toBeDefined();
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'`);
  await admin.end();
  await waitFor('the loss to be told', () => told.length > 0);
  const next = await waitFor('the next lead', () => tryLead(settings, 'control', () => undefined));
  await next.release();
  expect(told).toEqual(['terminating connection due to administrator command']);
});

it('a leader that is frozen loses the lead to another, and knows it when it wakes up; one that is there keeps it', async () => {
  const url = await cluster.freshDatabase();
  const child = spawn(process.execPath, ['--input-type=module', '-e', leads, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  other = child;
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line));
  const describe = (): unknown => said;
  await waitFor('the other process to lead', () => said.includes('leads'), { describe });

  const urls = { stream: url, fill: url, state: url, ddl: url };
  const ask = () => tryLead({ urls }, 'control', () => undefined);
  for (const until = Date.now() + 1.75 * silentForMs; Date.now() < until; await pause(100))
    expect(await ask()).toBeUndefined();
  expect(said).toEqual(['leads']);

  child.kill('SIGSTOP');
  const lead = await waitFor('the lead of a frozen process to be free', ask);
  child.kill('SIGCONT');
  await waitFor('the woken process to know that it leads no longer', () => said.includes('lost'), { describe });
  await lead.release();
});
