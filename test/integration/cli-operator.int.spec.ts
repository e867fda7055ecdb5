import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../apps/cli/src/cli.js';
import { deleteTopics, ensureTopics } from '@highwater/messaging';
import { cutoverOnceReady, groupsSchema, highwater, patientLocks, sql, usePlanFiles } from '../support/cli.js';
import { useService } from '../support/service.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const planFile = usePlanFiles();
/** Of whatever must come: longer than a machine with other work to do needs. */
const patience = '--timeout=120s';
const program = fileURLToPath(new URL('../../apps/cli/bin/highwater.mjs', import.meta.url));

async function database(): Promise<string> {
  const url = await freshDatabase('operator');
  await sql(url, groupsSchema);
  return url;
}

describe('an operator at the command line, against a service', () => {
  const service = useService(database, ['control', 'sweeper']);
  const remote = (...args: string[]) => highwater({ HIGHWATER_HTTP: service.url() }, ...args);
  const db = (text: string) => sql(service.databaseUrl(), text);
  const isNotNull = async (): Promise<unknown> =>
    (
      await db(`select attnotnull from pg_attribute where attrelid = '"Group"'::regclass and attname = 'workspaceId'`)
    )[0]?.['attnotnull'];

  it('has every way on and back again', async () => {
    const name = `op-${unique()}`;
    const file = planFile(name);
    expect((await remote('start', file, '--dry-run')).out).toContain(`plan "${name}" is well-formed`);
    expect(JSON.parse((await remote('status', '-o', 'json')).out)).toEqual({ migrations: [] });
    expect((await remote('start', file)).code).toBe(0);

    // waiting says what it saw, and how long it waited
    expect(await remote('wait', name, '--for=phase=bridged', patience)).toMatchObject({ code: 0 });
    const late = await remote('wait', name, '--for=phase=enforced', '--timeout=300ms');
    expect(late.code).toBe(6);
    expect(late.err).toMatch(/HW6305.*phase=enforced did not come within 300ms: phase bridged/);
    expect(await remote('wait', name, '--for=condition=Ready', patience)).toMatchObject({ code: 0 });

    // limits while it runs
    const limits = await remote('set', name, 'rowBudget=100ms', 'sweepWorkers=4', '--reason', 'quiet evening');
    expect(limits).toMatchObject({ code: 0 });
    const recorded = (await remote('events', name, '-o', 'json')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(recorded.find((event) => event.type === 'LimitsChanged')).toMatchObject({
      data: { limits: { rowBudgetMs: 100, sweepWorkers: 4 } },
      metadata: { actor: expect.stringMatching(/./) },
    });
    const wrongUnit = await remote('set', name, 'rowBudget=100');
    expect(wrongUnit.code).toBe(64);
    expect(wrongUnit.err).toContain('rowBudget');
    const wrongName = await remote('set', name, 'rowBudgets=100ms');
    expect(wrongName).toMatchObject({ code: 64 });
    expect(wrongName.err).toContain('did you mean rowBudget?');
    expect((await remote('set', name, 'rowBudget=1h')).err).toMatch(/rowBudget: expected a duration/);

    // no without a reason, and then no cutover
    expect((await remote('hold', name)).code).toBe(64);
    expect((await remote('hold', name, '--dry-run', '--reason', 'x')).out).toContain('nothing was changed');
    expect((await remote('hold', name, '--reason', 'release day')).code).toBe(0);
    const held = await remote('cutover', name, '--reason', 'now', '--yes', '--generation', '1');
    expect(held.code).toBe(7);
    expect(held.err).toContain('HW6019');
    expect((await remote('wait', name, '--for=condition=Approved=False', patience)).out).toContain('Held by');
    expect((await remote('release', name, '--reason', 'over')).code).toBe(0);

    // what differs is an exit code, a list, and after the repair nothing any more
    await db(`update "Group" set "workspaceId" = 'o9' where id in ('g7', 'g8')`);
    const differs = await remote('verify', name, '-o', 'csv');
    expect(differs.code).toBe(2);
    expect(differs.out.split('\r\n').slice(0, 2).join('\n')).toMatch(
      /^table,target,key,sqlstate,kept,foundAt\npublic.Group,workspaceId,g7,,,\d{4}-/,
    );
    expect(differs.out).not.toContain('o9');
    await db(`update "Group" set "workspaceId" = "orgId" where id in ('g7', 'g8')`);
    expect((await remote('verify', name, '--list')).code).toBe(2);
    expect(await remote('verify', name)).toMatchObject({ code: 0 });

    // a row without a value: listed, filtered, corrected, retried
    await db(`insert into "Group" (id) values ('=cmd()')`);
    await waitFor('the row to be listed', async () => (await remote('unfillable', name)).out.includes('InputNull'));
    expect((await remote('unfillable', name, '-o', 'csv')).out).toContain("public.Group,workspaceId,'=cmd(),InputNull");
    expect((await remote('unfillable', name, '--reason', 'Ambiguous')).out).toBe('no unfillable row\n');
    expect((await remote('unfillable', name, '--table', 'Grup')).code).toBe(64);
    // behind the bridge's back, which would have given the value itself
    await db(`alter table "Group" disable trigger user; update "Group" set "orgId" = 'o1' where id = '=cmd()';
              alter table "Group" enable trigger user`);
    // a row that a busy server had not the time for stays listed, and is asked for again
    await waitFor('the corrected row to leave the list', async () => {
      const retried = await remote('unfillable', name, '--retry', '--note', 'corrected');
      expect(retried).toMatchObject({ code: 0 });
      return retried.out === 'no unfillable row\n';
    });

    // enforced, and back
    await remote('wait', name, '--for=condition=Ready', patience);
    const planned = await remote('cutover', name, '--reason', 'now', '--dry-run');
    expect(planned.out).toMatch(/cutover: guard on public."Group"[\s\S]*set not null/);
    expect(await isNotNull()).toBe(false);
    expect(await cutoverOnceReady({ HIGHWATER_HTTP: service.url() }, name)).toMatchObject({ code: 0 });
    expect(await isNotNull()).toBe(true);
    const undo = await remote('unenforce', name, '--reason', 'rollback of a release', '--dry-run', '-o', 'json');
    expect(JSON.parse(undo.out)).toMatchObject({
      dryRun: true,
      phase: 'enforced',
      steps: [{ step: 'unenforce', sql: ['alter table public."Group" alter column "workspaceId" drop not null'] }],
    });
    expect(await isNotNull()).toBe(true);
    const undone = await remote('unenforce', name, '--reason', 'rollback', '--yes', ...patientLocks);
    expect(undone).toMatchObject({ code: 0 });
    expect(await isNotNull()).toBe(false);

    expect(await remote('halt', name, '--reason', 'incident')).toMatchObject({ code: 0 });
    expect(await remote('wait', name, '--for=pause=halted', patience)).toMatchObject({ code: 0 });
    expect(await remote('resume', name)).toMatchObject({ code: 0 });

    // everything back
    expect((await remote('rollback', name, '--yes')).code).toBe(64); // no reason given
    const back = await remote('rollback', name, '--reason', 'not this week', '--dry-run');
    expect(back.out).toMatch(
      /dry run[\s\S]*rollback: our trigger on public."Group"[\s\S]*drop trigger "~hw_[\s\S]*keep values/,
    );
    expect((await remote('rollback', name, '--reason', 'not this week')).err).toContain('no backup is on record');
    expect((await highwater({ HIGHWATER_DATABASE_URL: service.databaseUrl() }, 'init', '--backup', ' ')).err).toContain(
      'HW2002',
    );
    const onRecord = await highwater(
      { HIGHWATER_DATABASE_URL: service.databaseUrl() },
      'init',
      '--backup',
      's3://backups/2026-11-21',
    );
    expect(onRecord).toMatchObject({ code: 0, out: expect.stringContaining('s3://backups/2026-11-21') as string });
    await waitFor('the backup in the status', async () =>
      (await remote('rollback', name, '--reason', 'x')).err.includes('the backup on record is s3://backups')); // prettier-ignore
    const done = await remote('rollback', name, '--reason', 'not this week', '--yes', ...patientLocks);
    expect(done).toMatchObject({
      code: 0,
      out: expect.stringMatching(/is rolled back[\s\S]*kept .*no journal/) as string,
    });
    const status = (await remote('status', name)).out;
    expect(status).toMatch(/outcome +rolled-back[\s\S]*kept +values of public."Group"."workspaceId"/);
    expect(status).toContain('s3://backups/2026-11-21');
    expect(await remote('rollback', name, '--reason', 'again', '--yes')).toMatchObject({ code: 7 });
  });
});

describe('the program itself', () => {
  const waiting = (server: string, timeout: string): ChildProcess =>
    spawn(process.execPath, [program, 'wait', 'm', '--for=phase=swept', `--timeout=${timeout}`, '--server', server], {
      stdio: 'ignore',
    });
  const ended = (child: ChildProcess): Promise<unknown> => once(child, 'exit').then(([code]: unknown[]) => code);

  it('ends with 6 when what it waits for does not come', async () => {
    expect(await ended(waiting('127.0.0.1:1', '100ms'))).toBe(6);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends with its own code on %s', async (signal, code) => {
    // a service that has not evaluated yet; who asks it has his signal handlers
    const server = createServer((_request, response) => {
      response.writeHead(503).end(JSON.stringify({ code: 'HW6016', detail: 'not evaluated yet' }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const asked = once(server, 'request');
    const child = waiting(`127.0.0.1:${(server.address() as AddressInfo).port}`, '1h');
    await asked;
    const answer = ended(child);
    child.kill(signal);
    expect(await answer).toBe(code);
    server.close();
  });
});

describe('an operator at the command line, on the database', () => {
  it('finds what nobody needs any more, with the command that removes it', async () => {
    const url = await database();
    const environment = {
      HIGHWATER_DATABASE_URL: url,
      HIGHWATER_KAFKA_BROKERS: (await brokers()).join(','),
      HIGHWATER_TOPIC_PREFIX: `doc${unique()}`,
    };
    expect(await highwater(environment, 'doctor')).toMatchObject({ code: 0 });
    await sql(
      url,
      `create schema if not exists highwater;
       create function highwater.hw_0a1b2c3d_1_bridge0() returns trigger language plpgsql as 'begin return new; end';
       create trigger "~hw_0a1b2c3d_1_bridge0" before insert on "Group" for each row execute function highwater.hw_0a1b2c3d_1_bridge0();
       alter table "Group" add constraint hw_0a1b2c3d_1_check0 check ("workspaceId" is not null) not valid;
       create index hw_0a1b2c3d_1_null0 on "Group" (id) where "workspaceId" is null;
       create publication hw_0a1b2c3d for table "Group"`,
    );
    await sql(url, `select pg_create_logical_replication_slot('hw_0a1b2c3d', 'pgoutput')`);
    const found = await highwater(environment, 'doctor', '-o', 'json');
    expect(found.code).toBe(2);
    const parsed = JSON.parse(found.out) as { ailments: { kind: string; remove: string }[] };
    const { ailments } = parsed;
    expect(ailments.map((one) => one.kind)).toEqual([
      'trigger',
      'function',
      'constraint',
      'index',
      'slot',
      'publication',
    ]);
    expect((await highwater(environment, 'doctor')).out).toContain('drop publication hw_0a1b2c3d;');
    // topics of ours too; the log of events stays
    const kafka = { brokers: await brokers(), clientId: 'spec', topicPrefix: environment.HIGHWATER_TOPIC_PREFIX };
    const { topicPrefix } = kafka;
    await ensureTopics(kafka, [
      { topic: `${topicPrefix}.gone.hints`, partitions: 1 },
      { topic: `${topicPrefix}.events`, partitions: 1 },
    ]);
    const withTopic = JSON.parse((await highwater(environment, 'doctor', '-o', 'json')).out) as typeof parsed;
    expect(withTopic.ailments.slice(6)).toMatchObject([
      { kind: 'topic', name: `${topicPrefix}.gone.hints`, remove: expect.stringContaining('--delete --topic') },
    ]);
    await deleteTopics(kafka, [`${topicPrefix}.gone.hints`, `${topicPrefix}.events`]);
    // the commands are the remedy, as they are
    for (const { remove } of ailments) await sql(url, remove);
    expect(await highwater(environment, 'doctor')).toMatchObject({ code: 0 });
  });

  it('names a living migration that no longer fits its tables', async () => {
    const url = await database();
    const environment = { HIGHWATER_DATABASE_URL: url };
    const path = planFile(`fit-${unique()}`, (text) => `${text}accept: [UnlimitedSlotWal]\n`);
    expect((await highwater(environment, 'init')).code).toBe(0);
    await sql(
      url,
      `insert into highwater.migration (id, short, plan_source, plan_hash) select 'fits', '11223344', '${readFileSync(path, 'utf8')}', 'x'`,
    );
    expect(await highwater(environment, 'doctor')).toMatchObject({ code: 0 });
    await sql(url, `alter table "Group" rename column "orgId" to "organisationId"`);
    const found = await highwater(environment, 'doctor');
    expect(found.code).toBe(2);
    expect(found.out).toMatch(/migration {2}fits.*orgId/);
  });

  it('shows the columns of a migration that still compiles but differs from what preflight saw', async () => {
    const url = await database();
    const environment = { HIGHWATER_DATABASE_URL: url };
    const path = planFile('retyped', (text) => `${text}accept: [UnlimitedSlotWal]\n`);
    const interrupted = new AbortController();
    const done = runCli(
      ['run', path],
      { out: () => undefined, err: () => undefined, drained: () => Promise.resolve(), interactive: false },
      environment,
      interrupted.signal,
    );
    const phase = async () => (await sql(url, `select phase from highwater.migration`))[0]?.['phase'];
    await waitFor('the bridge', async () => (await phase()) === 'bridged');
    await sql(url, `alter table "Group" alter column "orgId" type varchar(80)`);
    await waitFor(
      'the change to be seen',
      async () => (await highwater(environment, 'doctor')).out.includes('varying'),
      {
        describe: async () => (await highwater(environment, 'doctor')).out,
      },
    );
    interrupted.abort('SIGINT');
    expect(await done).toBe(130);
    const found = await highwater(environment, 'doctor');
    expect(found.code).toBe(2);
    expect(found.out).toMatch(/migration {2}retyped.*orgId.*character varying\(80\)/);
  });

  it('removes its own schema when asked to, and only then', async () => {
    const url = await database();
    const environment = { HIGHWATER_DATABASE_URL: url };
    const there = async (): Promise<number> =>
      (await sql(url, `select from pg_namespace where nspname = 'highwater'`)).length;
    expect((await highwater(environment, 'init')).code).toBe(0);
    expect((await highwater(environment, 'finish', '--purge')).err).toMatch(
      /not confirmed: schema highwater is removed/,
    );
    expect((await highwater(environment, 'finish', '--purge', '--dry-run')).out).toContain('drop schema');
    expect(await there()).toBe(1);
    expect(await highwater(environment, 'finish', '--purge', '--yes')).toMatchObject({ code: 0 });
    expect(await there()).toBe(0);
    expect(await highwater(environment, 'finish', '--purge', '--yes')).toMatchObject({ code: 0 });
  });

  it('shows the configuration without its secrets, and what cannot be used', async () => {
    const environment = { HIGHWATER_DATABASE_URL: 'postgres://u:canary-4711@h:5432/d', HIGHWATER_LOG_LEVEL: 'warn' };
    const shown = await highwater(environment, 'config', 'show', '--origin');
    expect(shown).toMatchObject({ code: 0 });
    expect(shown.out).toMatch(/HIGHWATER_LOG_LEVEL +warn +environment/);
    expect(shown.out).toMatch(/HIGHWATER_TOPIC_PREFIX +highwater +default/);
    expect(shown.out + shown.err).not.toContain('canary');
    const wrong = await highwater({ ...environment, HIGHWATER_LOG_LEVEL: 'loud' }, 'config', 'show');
    expect(wrong.code).toBe(64);
    expect(wrong.err).toContain('HIGHWATER_LOG_LEVEL');
  });
});
