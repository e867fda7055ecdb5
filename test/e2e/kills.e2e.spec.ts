import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { oracle } from '../../libs/local-stack/src/demo/oracle.js';
import { seedDatabase } from '../../libs/local-stack/src/demo/seed.js';
import { serviceAccess, startApplication, type ApplicationProcess } from '../support/demo-world.js';
import { ask, startService, type ServiceProcess } from '../support/service-process.js';
import { brokers, patienceMs, unique, usePostgres, waitFor } from '../support/stack.js';

const kills = 15;
/** Where in the migration's life the kills fall: so many before the cutover is asked for, so many before finish. */
const killsBeforeCutover = 8;
const killsBeforeFinish = 13;

const plan = `
highwater: 1
migration: killed
defaults:
  target: { column: workspaceId, type: text }
  references: { table: Workspace, onDelete: restrict }
tables:
  - table: Group
    rule: { column: orgId }
    indexes: { Group_workspaceId_idx: [workspaceId] }
  - table: Activity
    rule: { firstOf: [ { via: groupId, then: { column: workspaceId } }, { via: groupId, then: { column: orgId } } ] }
    indexes: { Activity_workspaceId_status_idx: [workspaceId, status] }
  - table: Response
    rule: { firstOf: [ { via: activityId }, { via: groupId } ] }
cutover: { mode: bridge, start: manual, window: 2s }
limits: { sweepRowsPerSecondMax: 2500, chunkRowsMax: 300 }
accept: [TriggerOnUpdate]
`;

/** Every update of ours, in its own transaction: which row, and whether it changed anything it must not. */
const audit = `
create schema audit;
create table audit.fill (n bigint generated always as identity, tab text, id text, had_value boolean, other_changed boolean, new_value text);
create function audit.note() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('application_name') like 'highwater%' then
    insert into audit.fill (tab, id, had_value, other_changed, new_value)
    values (tg_table_name, old.id, old."workspaceId" is not null, (to_jsonb(old) - 'workspaceId') is distinct from (to_jsonb(new) - 'workspaceId'), new."workspaceId");
  end if;
  return null;
end $$;
create trigger audit_fill after update on "Group" for each row execute function audit.note();
create trigger audit_fill after update on "Activity" for each row execute function audit.note();
create trigger audit_fill after update on "Response" for each row execute function audit.note();
`;

const cluster = usePostgres({ settings: { max_connections: '300' } });
let application: ApplicationProcess | undefined;
afterAll(() => application?.kill());

/** Seeded, so that a failing run can be repeated: `HIGHWATER_TEST_SEED`. */
function randoms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe('SIGKILL of the service at random moments', () => {
  it(
    `${kills} kills with the old application writing: enforced, oracle agrees, nothing twice, no application error`,
    { timeout: 900_000 },
    async () => {
      const seed = Number(process.env['HIGHWATER_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
      const random = randoms(seed);
      const folder = mkdtempSync(join(tmpdir(), 'highwater-kills-'));
      const logFile = join(folder, 'service.log');
      console.info(`seed ${seed}; the service's log is ${logFile}`);
      const url = await cluster.freshDatabase('kills');
      const tag = unique();
      await seedDatabase(url, {
        rows: 15_000,
        groups: 600,
        seed: 7,
        ownerRole: `owner_${tag}`,
        applicationRole: `app_${tag}`,
        applicationPassword: 'app',
      });
      const admin = new pg.Client({ connectionString: url });
      admin.on('error', () => undefined);
      await admin.connect();
      await admin.query(audit);
      const { environment } = await serviceAccess(admin, {
        url,
        tag,
        plan,
        brokers: await brokers(),
        topicPrefix: `kills${tag}`,
      });
      const before = await admin.query<{ n: string }>(
        `select count(*) as n from "Activity" where "workspaceId" is null`,
      );
      expect(Number(before.rows[0]?.n)).toBe(15_000);

      const old = startApplication(url, `app_${tag}`, { seed });
      application = old;
      await old.ready;

      let service: ServiceProcess | undefined;
      let killed = 0;
      let enough = false;
      const restarts = (async () => {
        while (!enough) {
          service = await startService(environment, logFile);
          if (killed >= kills) return;
          const current = service;
          await new Promise((resolve) => setTimeout(resolve, 150 + random() * 2_600));
          if (enough) return;
          await current.kill('SIGKILL');
          killed += 1;
        }
      })();
      let lastRefusal: unknown;
      const call = async (path: string, init?: Parameters<typeof ask>[2]): ReturnType<typeof ask> => {
        const answer = service && (await ask(service.url, path, init));
        if (answer && answer.status >= 400 && path.startsWith('/migrations')) lastRefusal = answer.body;
        return answer;
      };
      const described = async (): Promise<unknown> => ({
        killed,
        seed,
        logFile,
        lastRefusal,
        status: (await call('/migrations/killed'))?.body,
        readiness: (await call('/cutover/readiness?migration=killed'))?.body,
      });
      const until = <T>(
        what: string,
        condition: () => Promise<T | undefined | false>,
        timeoutMs = patienceMs,
      ): Promise<T> => waitFor(what, condition, { timeoutMs, everyMs: 60, describe: described });

      try {
        await until('the plan is accepted', async () => {
          const answer = await call('/migrations', { body: plan });
          if (answer && answer.status >= 400) throw new Error(JSON.stringify(answer.body));
          return answer?.status === 202;
        });
        await until(
          'start is accepted',
          async () =>
            (await call('/migrations/killed/start', { body: {}, headers: { 'idempotency-key': 'start-1' } }))
              ?.status === 202,
        );
        await until('enough kills before the cutover', () => Promise.resolve(killed >= killsBeforeCutover));

        let attempt = 0;
        const phaseOf = async (): Promise<unknown> => (await call('/migrations/killed'))?.body['phase'];
        await until(
          'the migration is enforced',
          async () => {
            const phase = await phaseOf();
            if (phase === 'enforced') return true;
            if (phase !== 'bridged') return false;
            const readiness = await call('/cutover/readiness?migration=killed');
            if (readiness?.body['ready'] !== true) return false;
            await call('/cutover?migration=killed', {
              body: { reason: 'test' },
              headers: { 'if-match': readiness.etag ?? '', 'idempotency-key': `cutover-${(attempt += 1)}` },
            });
            return false;
          },
          200_000,
        );

        const { tally } = await old.stop();
        expect(tally.errors).toEqual({});
        expect(tally.inserted).toBeGreaterThan(100);

        await until('enough kills before finish', () => Promise.resolve(killed >= killsBeforeFinish));
        await until(
          'finish is accepted',
          async () =>
            (await call('/migrations/killed/finish', { body: {}, headers: { 'idempotency-key': 'finish-1' } }))
              ?.status === 202,
        );
        await until('all kills happened', () => Promise.resolve(killed >= kills));
        await until('the migration is finished', async () => (await phaseOf()) === 'finished');

        await checkEverything(url, admin);
      } finally {
        enough = true;
        await restarts.catch(() => undefined);
        await service?.kill('SIGKILL').catch(() => undefined);
        await admin.end();
      }
      expect(killed).toBe(kills);
      // a log without a stack trace of a process that ended by itself
      expect(readFileSync(logFile, 'utf8')).not.toMatch(/unhandled|uncaught/i);
    },
  );
});

async function checkEverything(url: string, admin: pg.Client): Promise<void> {
  const verdict = await oracle(url);
  expect(Object.values(verdict.leftovers).flat()).toEqual([]);
  expect(verdict.agrees, JSON.stringify(verdict.tables)).toBe(true);
  const enforced = await admin.query<{ t: string }>(
    `select c.relname as t from pg_attribute a join pg_class c on c.oid = a.attrelid where a.attname = 'workspaceId' and a.attnotnull and c.relkind = 'r' order by 1`,
  );
  expect(enforced.rows.map((row) => row.t)).toEqual(['Activity', 'Group', 'Response']);

  const twice = await admin.query(`select tab, id, count(*) from audit.fill group by tab, id having count(*) > 1`);
  expect(twice.rows).toEqual([]);
  const wrong = await admin.query(
    `select tab, id from audit.fill where had_value or other_changed or new_value is null`,
  );
  expect(wrong.rows).toEqual([]);

  const log = await admin.query<{ type: string; version: string; n: string }>(
    `select type, version, position, row_number() over (order by position) as n from highwater.event where stream_id = 'migration/killed' order by version`,
  );
  expect(log.rows.map((row) => Number(row.version))).toEqual(log.rows.map((_, i) => i + 1));
  const types = log.rows.map((row) => row.type);
  for (const once of [
    'Planned',
    'PreflightPassed',
    'Expanded',
    'StreamOpened',
    'SweepStarted',
    'SweepCompleted',
    'Bridged',
    'CutoverCompleted',
    'Finished',
  ])
    expect([once, types.filter((type) => type === once).length]).toEqual([once, 1]);
  expect(types.filter((type) => type === 'Enforced')).toHaveLength(3);
}
