import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Kafka, Partitioners, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cloudEventType, eventJsonSchemas } from '@highwater/migration';
import type { ApplicationLine } from '../../libs/local-stack/src/demo/application/main.js';
import type { ConsumerLine } from '../../libs/local-stack/src/demo/consumer/main.js';
import { copyIn } from '../../libs/local-stack/src/demo/application/copy-in.js';
import { oracle } from '../../libs/local-stack/src/demo/oracle.js';
import { seedDatabase } from '../../libs/local-stack/src/demo/seed.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';

const children: ChildProcess[] = [];
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));
beforeAll(brokers); // its start is nobody's test

/** Starts a built actor and collects its JSON lines. */
function actor<Line extends { kind: string }>(path: string, args: string[], env: Record<string, string> = {}) {
  const main = fileURLToPath(new URL(`../../libs/local-stack/dist/demo/${path}`, import.meta.url));
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line));
  const ended = async () => {
    await waitFor(`${path} to end`, () => child.exitCode !== null, { describe: () => lines.at(-1) });
    return await waitFor(`the final line of ${path}`, () => lines.find(({ kind }) => kind === 'final'));
  };
  return { child, lines, ended };
}

describe('the demo’s application', () => {
  const { freshDatabase } = usePostgres({ settings: { shared_buffers: '64MB' } });

  const seeded = async () => {
    const url = await freshDatabase('demo');
    const applicationPassword = unique();
    await seedDatabase(url, {
      rows: 2_000,
      organizations: 20,
      groups: 100,
      ownerRole: 'app_owner',
      applicationRole: 'app',
      applicationPassword,
    });
    const asApplication = new URL(url);
    asApplication.username = 'app';
    asApplication.password = applicationPassword;
    return { url, env: { APPLICATION_DATABASE_URL: asApplication.href } };
  };

  const query = async (url: string, text: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(text);
    await client.end();
    return rows;
  };

  it('old: does all its kinds of work without an error, and every row of it can be derived', async () => {
    const { url, env } = await seeded();
    const { child, lines, ended } = actor<ApplicationLine>('application/main.js', ['--rate', '1500'], env);
    await waitFor(
      'every kind of work to be done',
      () => {
        const { tally, probe } = lines.at(-1) ?? {};
        if (!tally || !probe || probe.insert.count <= 50) return false;
        return [tally.copied, tally.held, tally.organizations, tally.rolledBack, tally.deleted].every((n) => n > 0);
      },
      { describe: () => lines.at(-1) },
    );
    const phases = () => lines.filter(({ kind }) => kind === 'phase').map(({ probe }) => probe.insert.count);
    const endPhase = async () => {
      const before = phases().length;
      child.kill('SIGUSR2');
      await waitFor('the end of the phase', () => phases().length > before);
    };
    await endPhase();
    expect(phases()[0]).toBeGreaterThan(50);
    // each counts from 0, so one of them is shorter than the one before
    await waitFor('a phase with fewer probes', async () => {
      await endPhase();
      return (phases().at(-1) ?? 0) < (phases().at(-2) ?? 0);
    });
    child.kill('SIGTERM');
    const final = await ended();
    expect(final).toMatchObject({ version: 'old', phase: phases().length, tally: { errors: {}, errorSamples: [] } });

    expect((await oracle(url)).tables.every(({ nulls, wrong }) => nulls > 0 && wrong === nulls)).toBe(true);
    await query(
      url,
      `update "Group" set "workspaceId" = "orgId" where "workspaceId" is null;
       update "Activity" a set "workspaceId" = (select "workspaceId" from "Group" g where g.id = a."groupId");
       update "Response" r set "workspaceId" = coalesce((select "workspaceId" from "Activity" a where a.id = r."activityId"),
         (select "workspaceId" from "Group" g where g.id = r."groupId"))`,
    );
    expect(await oracle(url)).toMatchObject({ agrees: true });
  });

  it('new: sets workspaceId on every insert, and leaves with its parent', async () => {
    const { url, env } = await seeded();
    const count = `select (select count(*) from "Activity" where "workspaceId" is null)::int as activities,
      (select count(*) from "Group" where "workspaceId" is null)::int as groups`;
    const before = await query(url, count);
    const args = ['--rate', '1500', '--sets-workspace-id', '--stop-on-stdin-end'];
    const { child, lines, ended } = actor<ApplicationLine>('application/main.js', args, env);
    await waitFor('an organization', () => (lines.at(-1)?.tally.organizations ?? 0) > 0, {
      describe: () => lines.at(-1),
    });
    child.stdin?.end();
    expect(await ended()).toMatchObject({ version: 'new', tally: { errors: {} } });
    expect(await query(url, count)).toEqual(before);
  });

  it('a COPY that the server refuses, or whose connection is lost, ends with its error: nothing waits for it', async () => {
    const { url } = await seeded();
    const holder = new pg.Client({ connectionString: url });
    const writer = new pg.Client({ connectionString: url, application_name: 'copying' });
    writer.on('error', () => undefined);
    await Promise.all([holder.connect(), writer.connect()]);
    await expect(copyIn(writer, '"Nowhere" (id)', [['a']])).rejects.toMatchObject({ code: '42P01' });
    await copyIn(writer, '"Organization" (id, name)', [['copied', 'after a refusal']]);
    await holder.query(`begin; lock table "Organization"`);
    const lost = expect(copyIn(writer, '"Organization" (id, name)', [['lost', 'in between']])).rejects.toThrow();
    await waitFor('the COPY to wait for the lock, and its end', async () => {
      const { rowCount } = await holder.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'copying' and wait_event_type = 'Lock'`,
      );
      return rowCount === 1;
    });
    await lost;
    await holder.end();
  });

  it('the oracle sees a wrong value and what is left of ours', async () => {
    const { url } = await seeded();
    await query(
      url,
      `update "Activity" set "workspaceId" = 'elsewhere' where id = (select min(id) from "Activity");
       create publication hw_01234567 for table "Activity";
       alter table "Activity" add constraint hw_01234567_1_check check (true) not valid`,
    );
    const verdict = await oracle(url);
    expect(verdict.tables.find(({ table }) => table === 'Activity')).toEqual(
      expect.objectContaining({ rows: 2_000, nulls: 1_999, wrong: 2_000 }),
    );
    expect(verdict.leftovers).toMatchObject({
      publications: ['hw_01234567'],
      constraints: ['hw_01234567_1_check on Activity'],
    });
  });
});

it('the demo’s consumer validates, deduplicates and checks the order of what it reads', async () => {
  const schemas = mkdtempSync(join(tmpdir(), 'highwater-schemas-'));
  for (const [type, schema] of Object.entries(eventJsonSchemas())) {
    writeFileSync(join(schemas, `${type}.schema.json`), JSON.stringify(schema));
  }
  const topic = `events-${unique()}`;
  const kafka = new Kafka({ clientId: 'spec', brokers: await brokers(), logLevel: logLevel.NOTHING });
  const args = ['--brokers', (await brokers()).join(), '--schemas', schemas, '--topic', topic];
  const { child, lines, ended } = actor<ConsumerLine>('consumer/main.js', args);
  const [admin, producer] = [kafka.admin(), kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })];
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await producer.connect();
  const message = (sequence: number, type: string, data: unknown) => ({
    key: 'm',
    value: JSON.stringify(data),
    headers: {
      ce_specversion: '1.0',
      ce_id: `migration-m/${sequence}`,
      ce_source: 'highwater',
      ce_type: type,
      ce_time: '2026-11-21T00:00:00.000Z',
      ce_subject: 'm',
      ce_sequence: String(sequence),
    },
  });
  const good = message(1, cloudEventType('Paused'), { reason: 'a look at the plan' });
  await producer.send({ topic, messages: [good, good, message(3, cloudEventType('Enforced'), { nonsense: true })] });
  await waitFor('both events', () => lines.filter(({ kind }) => kind === 'event').length === 2, {
    describe: () => lines,
  });
  child.kill('SIGTERM');
  const final = await ended();
  expect(final).toMatchObject({ events: 2, duplicates: 1 });
  expect('problems' in final && final.problems).toEqual([
    'migration-m/3: sequence 3 where 2 was due',
    expect.stringContaining("must have required property 'table'"),
  ]);
  await Promise.all([producer.disconnect(), admin.disconnect()]);
  rmSync(schemas, { recursive: true });
});
