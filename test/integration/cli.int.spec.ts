import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../apps/cli/src/cli.js';
import { groupsSchema, highwater, sql, usePlanFiles } from '../support/cli.js';
import { useService } from '../support/service.js';
import { unique, usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const planFile = usePlanFiles();

async function database(): Promise<string> {
  const url = await freshDatabase('cli');
  await sql(url, groupsSchema);
  return url;
}

const withEntities = (plan: string): string =>
  plan.replace('    rule:', '    references: { table: Workspace }\n    rule:') +
  'entities: [{ table: Workspace, from: Group, key: { id: { column: orgId } }, values: { name: { constant: none } } }]\n';

describe('on the database', () => {
  it('prints grants that make init and preflight work as least-privilege roles', async () => {
    const url = await database();
    await sql(url, `create table "Workspace" (id text primary key, name text)`);
    const plan = planFile('grants', withEntities);
    const prefix = `hw${unique()}_`;
    const admin = { HIGHWATER_DATABASE_URL: url };
    const grants = await highwater(admin, 'init', '--print-grants', '--role-prefix', prefix, plan);
    expect(grants).toMatchObject({ code: 0, err: '' });
    expect(await sql(url, `select 1 from pg_namespace where nspname = 'highwater'`)).toEqual([]);
    await sql(url, grants.out);
    const roles = ['stream', 'fill', 'state', 'ddl'];
    for (const role of roles) await sql(url, `alter role ${prefix}${role} password 'secret'`);
    const environment = Object.fromEntries(
      roles.map((role) => [
        `HIGHWATER_${role.toUpperCase()}_URL`,
        Object.assign(new URL(url), { username: `${prefix}${role}`, password: 'secret' }).toString(),
      ]),
    );
    expect((await highwater(environment, 'init')).out).toMatch(/^schema highwater version \d+ installed/);
    expect((await highwater(environment, 'init')).out).toContain('was there already');
    const preflight = await highwater(environment, 'preflight', plan, '-o', 'json');
    expect(preflight.code).toBe(0);
    expect(JSON.parse(preflight.out)).toMatchObject({
      passed: true,
      checks: expect.arrayContaining([expect.objectContaining({ check: 'Grant', status: 'pass' })]) as unknown,
    });
    // by hand: what making the entities needs, and no more
    const privilege = (role: string, column: string, what: string): string =>
      `has_column_privilege('${prefix}${role}', '"Workspace"', '${column}', '${what}')`;
    const [granted] = await sql(
      url,
      `select ${privilege('fill', 'id', 'insert')} as id, ${privilege('fill', 'name', 'insert')} as name, ${privilege('bridge', 'id', 'insert')} as bridge,
              ${privilege('fill', 'name', 'update')} or has_table_privilege('${prefix}fill', '"Workspace"', 'insert') as more`,
    );
    expect(granted).toEqual({ id: true, name: true, bridge: true, more: false });
  });

  it('tells each step of a plan with its SQL and its lock', async () => {
    const url = await database();
    const path = planFile('steps');
    const { code, out } = await highwater({ HIGHWATER_DATABASE_URL: url }, 'plan', path);
    expect(code).toBe(0);
    expect(out).toContain('cutover: guard on public."Group"');
    expect(out).toContain('lock: ACCESS EXCLUSIVE');
    expect(out).toMatch(/alter table public."Group" alter column "workspaceId" set not null;/);
    expect(await sql(url, `select 1 from pg_namespace where nspname = 'highwater'`)).toEqual([]);
  });

  it('names file, line and column of what the catalog refuses', async () => {
    const url = await database();
    const path = planFile('wrong', (text) => text.replace('column: orgId', 'column: orgid'));
    const { code, err } = await highwater({ HIGHWATER_DATABASE_URL: url }, 'plan', path);
    expect(code).toBe(3);
    expect(err).toContain(`${path}:6:`);
    expect(err).toContain('error[HW1102]');
    expect(err).toContain('did you mean "orgId"');
  });

  it('exits 3 and prints what blocks when preflight fails', async () => {
    const url = await database();
    await sql(url, 'alter table "Group" enable row level security, force row level security');
    await sql(
      url,
      `alter table "Group" drop constraint "Group_pkey"; alter table "Group" add column code text not null unique default gen_random_uuid()::text`,
    );
    const { code, err } = await highwater({ HIGHWATER_DATABASE_URL: url }, 'preflight', planFile('keyless'));
    expect(code).toBe(3);
    expect(err).toContain('HW1103');
  });

  it('does the whole job in one process, and a second run finds it done', async () => {
    const url = await database();
    const environment = { HIGHWATER_DATABASE_URL: url };
    const path = planFile('whole', (text) => `${text}accept: [UnlimitedSlotWal]\n`);
    const args = ['run', path, '--cutover', '--finish', '--bridge-unused', '--yes'];
    const first = await highwater(environment, ...args);
    expect(first).toMatchObject({ code: 0 });
    expect(first.err).toContain('is finished');
    const records = first.out.trim().split('\n');
    expect(JSON.parse(records.at(-1) ?? '')).toMatchObject({ migration: 'whole' });
    expect(
      await sql(
        url,
        `select attnotnull from pg_attribute where attrelid = '"Group"'::regclass and attname = 'workspaceId'`,
      ),
    ).toEqual([{ attnotnull: true }]);
    expect(
      await sql(url, `select count(*)::int as wrong from "Group" where "workspaceId" is distinct from "orgId"`),
    ).toEqual([{ wrong: 0 }]);
    expect((await highwater(environment, ...args)).err).toContain('finished already');
  });

  it('ends with 130 when interrupted, and goes on from there the next time', async () => {
    const url = await database();
    const environment = { HIGHWATER_DATABASE_URL: url };
    const path = planFile('interrupted', (text) => `${text}accept: [UnlimitedSlotWal]\n`);
    const interrupted = new AbortController();
    let err = '';
    const terminal = {
      out: () => undefined,
      err: (text: string) => {
        err += text;
        if (err.includes('ready; what comes next')) interrupted.abort('SIGINT');
      },
      drained: () => Promise.resolve(),
      interactive: false,
    };
    expect(await runCli(['run', path], terminal, environment, interrupted.signal)).toBe(130);
    expect(err).toContain('highwater run --cutover');
    expect((await highwater(environment, 'run', path, '--cutover', '--yes')).code).toBe(0);
  });

  it('says which database cannot be reached', async () => {
    const { code, err } = await highwater({ HIGHWATER_DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x' }, 'init');
    expect(code).toBe(1);
    expect(err).toContain('HW9002');
    expect(err).not.toContain('hunter2');
  });
});

describe('against a service', () => {
  const service = useService(database, ['control', 'sweeper']);
  const remote = (...args: string[]) => highwater({ HIGHWATER_HTTP: service.url() }, ...args);

  it('drives a migration from plan to finished', async () => {
    const name = `cli-${unique()}`;
    // not ready before it is approved, however long the questions before that take
    const path = planFile(name, (plan) => `${plan}approvals: 1\n`);
    const started = await remote('start', path);
    expect(started).toMatchObject({ code: 0 });
    expect((await remote('status', '-o', 'json')).out).toContain(name);
    expect((await remote('events', name)).out).toMatch(/1 {2}Planned/);
    expect((await remote('pause', '--reason', 'lunch')).out).toContain('is paused');
    const held = await remote('readiness', name);
    expect([4, 5]).toContain(held.code);
    expect(held.out).toContain('CONDITION');
    expect((await remote('resume')).out).toContain('goes on');
    expect((await remote('approve', name, '--reason', 'spec')).out).toContain('is approved by you');

    const early = await remote('cutover', name, '--reason', 'spec', '--generation', '999999', '--yes');
    expect(early.code).toBe(7);
    expect(early.err).toContain('HW6012');
    expect((await remote('cutover', name, '--reason', 'spec')).code).toBe(64);

    await waitFor('readiness to exit 0', async () => (await remote('readiness', name)).code === 0, {
      describe: async () => (await remote('readiness', name)).out,
    });
    const asked = ['cutover', name, '--reason', 'spec', '--lock-budget', '10s', '--yes'];
    const done = await waitFor('a cutover on a generation that stayed', async () => {
      const answer = await remote(...asked);
      return ![4, 7].includes(answer.code) && answer;
    });
    expect(done).toMatchObject({ code: 0 });
    await waitFor('the status to show the table enforced', async () =>
      / yes$/m.test((await remote('status', name)).out),
    );
    expect(await remote('finish', name, '--bridge-unused')).toMatchObject({ code: 0 });
    expect((await remote('watch', name)).code).toBe(0);
  });

  it('exits 4 with the conditions when asked too early', async () => {
    const name = `cli-${unique()}`;
    const path = planFile(name);
    await fetch(`${service.url()}/migrations`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: readFileSync(path),
    });
    const refused = await waitFor('a refusal on a generation that stayed', async () => {
      const answer = await remote('cutover', name, '--reason', 'spec', '--yes');
      return answer.code === 4 && answer;
    });
    expect(refused.err).toContain('HW6011');
    expect(refused.err).toMatch(/\w+ is (False|Unknown) \(/);
  });

  it('exits 64 on what does not exist', async () => {
    const { code, err } = await remote('status', 'none');
    expect(code).toBe(64);
    expect(err).toContain('HW6010');
  });
});
