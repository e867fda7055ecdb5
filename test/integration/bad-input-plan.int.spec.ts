import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ours, request } from '../support/bad-input.js';
import { ask, startService, type ServiceProcess } from '../support/service-process.js';
import { unique, usePostgres } from '../support/stack.js';

// Plans that cannot be carried out, sent to the service as it runs. Each is refused at once with its place in the file, leaves nothing,
// and goes through when it is mended (or the database is), under the same name.

const { freshDatabase } = usePostgres();
const logs = mkdtempSync(join(tmpdir(), 'highwater-bad-plan-'));
let service: ServiceProcess;
let admin: pg.Client;
beforeAll(async () => {
  const url = await freshDatabase('plans');
  admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`
    create table "Organization" (id text primary key);
    create table "Group" (id text primary key, "orgId" text references "Organization", "workspaceId" text, region int);
    create table keyless (code text, "orgId" text, "workspaceId" text) partition by list (code);
    create table loose (code text unique, "orgId" text, "workspaceId" text);
    create table numbered (id bigint primary key, "orgId" text, "workspaceId" integer);
    create table generated (id int primary key, "orgId" text, "workspaceId" text generated always as ("orgId") stored)`);
  service = await startService({ HIGHWATER_DATABASE_URL: url, HIGHWATER_ROLES: 'control' }, join(logs, 'service.log'));
});
afterAll(async () => {
  await service?.kill('SIGTERM');
  await admin?.end();
  rmSync(logs, { recursive: true, force: true });
});

const good = (name: string): string => `highwater: 1
migration: ${name}
tables:
  - table: Group
    target: { column: workspaceId, type: text }
    rule: { column: orgId }
stream: none
`;

interface Case {
  readonly what: string;
  readonly code: string;
  readonly spoil: (plan: string) => string;
  /** Lines that a person reads, in order. */
  readonly says: readonly string[];
  readonly mendDatabase?: string;
}
const other =
  (table: string, more = ''): Case['spoil'] =>
  (plan) =>
    plan.replace('table: Group', `table: ${table}${more}`);

const cases: readonly Case[] = [
  {
    what: 'not YAML',
    code: 'HW1001',
    spoil: (plan) => plan.replace('{ column: orgId }', '{ column: [orgId }'),
    says: ['plan.yaml:6:', 'error[HW1001]', '    6 |     rule: { column: [orgId }', '^', 'docs: docs/errors.md#hw1001'],
  },
  {
    what: 'an unknown key',
    code: 'HW1002',
    spoil: (plan) => plan.replace('target: { column: workspaceId,', 'target: { colum: workspaceId,'),
    says: [
      'plan.yaml:5:15: error[HW1002]: ',
      '"colum"',
      '    5 |     target: { colum: workspaceId',
      '     |               ^^^^^',
      'help: did you mean "column"?',
      'docs/errors.md#hw1002',
    ],
  },
  {
    what: 'an unknown key at the top',
    code: 'HW1002',
    spoil: (plan) => `${plan}limit: { lockBudget: 1s }\n`,
    says: ['plan.yaml:8:1: error[HW1002]', '^^^^^', 'help: did you mean "limits"?'],
  },
  {
    what: 'a table that is not there',
    code: 'HW1101',
    spoil: other('group'),
    says: [
      'plan.yaml:4:12: error[HW1101]: table "group" does not exist in schema public',
      '    4 |   - table: group',
      '^^^^^',
      'help: did you mean "Group"?',
    ],
  },
  {
    what: 'a column that is not there',
    code: 'HW1102',
    spoil: (plan) => plan.replace('orgId', 'orgid'),
    says: [
      'plan.yaml:6:',
      'error[HW1102]: column "orgid" does not exist on table public.Group',
      '^^^^^',
      'note: the table has: id, orgId, workspaceId, region',
      'help: did you mean "orgId"? Names are case-sensitive here.',
    ],
  },
  {
    what: 'a target that is not there',
    code: 'HW1110',
    spoil: (plan) => plan.replace('workspaceId', 'workspaceID'),
    says: [
      'plan.yaml:5:23: error[HW1110]: target column "workspaceID" does not exist on table public.Group',
      '^^^^^^^^^^^',
      'note: the table has',
      'help: did you mean "workspaceId"? Otherwise add it',
    ],
  },
  {
    what: 'a key column that is not there',
    code: 'HW1102',
    spoil: other('Group', '\n    key: [ids]'),
    says: [
      'plan.yaml:5:',
      'error[HW1102]: column "ids" does not exist on table public.Group',
      '^',
      'did you mean "id"?',
    ],
  },
  {
    what: 'a key that is not unique',
    code: 'HW1104',
    spoil: other('Group', '\n    key: [orgId]'),
    says: [
      'plan.yaml:5:',
      'error[HW1104]: key (orgId) of public.Group has no valid, unconditional, immediate unique index',
      '^',
      'help: say key: [id]',
    ],
  },
  {
    what: 'a partitioned table without a primary key',
    code: 'HW1103',
    spoil: other('keyless'),
    says: [
      'error[HW1103]: table public.keyless has no primary key and the plan names no key',
      '^',
      'help: add a primary key, or a unique index over not-null columns and name them with key:',
    ],
    mendDatabase: 'alter table keyless add primary key (code)',
  },
  {
    what: 'a unique key that may be NULL',
    code: 'HW1104',
    spoil: other('loose', '\n    key: [code]'),
    says: ['error[HW1104]: key (code) of public.loose may be NULL in code', '^', 'help: add a primary key'],
    mendDatabase: 'alter table loose alter code set not null',
  },
  {
    what: 'a target of another type than the plan says',
    code: 'HW1109',
    spoil: other('numbered'),
    says: [
      'error[HW1109]: target column "workspaceId" of public.numbered is integer; the plan says text',
      '^^^^',
      'help: say type: integer',
    ],
    mendDatabase: 'alter table numbered alter "workspaceId" type text using "workspaceId"::text',
  },
  {
    what: 'a rule whose value does not fit the target',
    code: 'HW1108',
    spoil: (plan) => plan.replace('type: text', 'type: integer').replace('column: workspaceId', 'column: region'),
    says: [
      'error[HW1108]: column "orgId" of public.Group is text; target "region" is integer',
      '^^^^^',
      'help: make the target text',
    ],
  },
  {
    what: 'a generated target',
    code: 'HW1111',
    spoil: other('generated'),
    says: ['error[HW1111]: target column "workspaceId" of public.generated is generated and cannot be written', '^'],
    mendDatabase: 'alter table generated alter "workspaceId" drop expression',
  },
];

describe('a plan that cannot be carried out', () => {
  it.each(cases)('$what: $code', async ({ code, spoil, says, mendDatabase }) => {
    const name = `bad-${unique()}`;
    const bad = spoil(good(name));
    const answer = await ask(service.url, '/migrations', { body: bad });
    expect(answer).toMatchObject({ status: 422, body: { code, type: `docs/errors.md#${code.toLowerCase()}` } });
    const text = String(answer?.body['text']);
    let at = 0;
    for (const line of says) {
      expect(text.slice(at), text).toContain(line);
      at = text.indexOf(line, at) + line.length;
    }
    expect(JSON.stringify(answer?.body)).not.toMatch(/\bat .*\.[jt]s:\d|DETAIL/);
    expect((await ask(service.url, `/migrations/${name}`))?.body).toMatchObject({ code: 'HW6010' });
    expect((await admin.query('select from highwater.migration where id = $1', [name])).rowCount).toBe(0);
    expect(
      (await admin.query('select from highwater.event where stream_id = $1', [`migration/${name}`])).rowCount,
    ).toBe(0);
    expect(await ours(admin)).toEqual([]);
    if (mendDatabase !== undefined) await admin.query(mendDatabase);
    expect((await request(service.url, '/migrations', mendDatabase === undefined ? good(name) : bad)).status).toBe(
      'succeeded',
    );
  });

  it('several mistakes are said at once', async () => {
    const answer = await ask(service.url, '/migrations', {
      body: good('many').replace('rule:', 'rules:').replace('stream: none', 'streams: none'),
    });
    expect((answer?.body['issues'] as { message: string }[]).length).toBeGreaterThanOrEqual(2);
    expect((await ask(service.url, '/migrations/many'))?.status).toBe(404);
  });
});
