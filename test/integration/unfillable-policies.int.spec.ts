import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { sql } from '../support/cli.js';
import { useService } from '../support/service.js';
import { usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();
/** More rows than one page of an export. */
const withoutOwner = 2_345;
const service = useService(async () => {
  const url = await freshDatabase('policies');
  await sql(
    url,
    `create table owner (id int primary key, tenant text); insert into owner values (1, 't1');
     create table item (id int primary key, owner int, tenant text);
     insert into item select n, case when n <= 3 then 99 when n <= 10 then 1 end from generate_series(1, ${withoutOwner + 10}) n`,
  );
  return url;
}, ['control', 'sweeper']);
const api = () => request(service.url());

const plan = `highwater: 1
migration: policies
tables:
  - table: item
    target: { column: tenant, type: text }
    notNull: false
    unfillable: { ParentMissing: hold }
    rule: { via: owner, to: owner(id), then: { column: tenant } }
cutover: { mode: bridge, start: manual, window: 1s }
stream: none
`;

describe('policies of unfillable rows', () => {
  const at = (path: string): string => `/migrations/policies${path}`;
  const condition = async (type: string): Promise<{ status: string; message: string; evidence: unknown }> =>
    (
      (await api().get('/cutover/readiness?migration=policies')).body.conditions as {
        type: string;
        status: string;
        message: string;
        evidence: unknown;
      }[]
    ).find((one) => one.type === type) ?? { status: '', message: '', evidence: null };
  const count = async (query: string): Promise<number> =>
    (
      await api()
        .get(at(`/unfillable/export${query}`))
        .expect(200)
    ).body.rows.length;

  it('hold the reasons that the plan names, though the column may stay NULL, and leave the rest listed', async () => {
    await api().post('/migrations').send({ plan }).expect(202);
    await api().post(at('/start')).set('Highwater-Actor', 'rosa').send({}).expect(202);
    const held = await waitFor('the held rows to block', async () => {
      const one = await condition('NoUnfillableRows');
      return one.status === 'False' && one;
    });
    expect(held.evidence).toMatchObject({ total: 3, byReason: { ParentMissing: 3 } });
    await waitFor('all rows to be listed', async () => (await count('')) === withoutOwner + 3);

    expect(await count('?policy=hold')).toBe(3);
    expect(await count('?policy=leaveNull')).toBe(withoutOwner);
    expect(await count('?policy=hold&reason=InputNull')).toBe(0);
    const { body } = await api().get(at('/unfillable?policy=hold&limit=2')).expect(200);
    expect(body.rows).toMatchObject([
      { key: ['1'], reason: 'ParentMissing', policy: 'hold' },
      { key: ['2'], reason: 'ParentMissing', policy: 'hold' },
    ]);
    const { text } = await api().get(at('/unfillable/export')).set('Accept', 'text/csv').expect(200);
    const lines = text.trimEnd().split('\r\n');
    expect(lines).toHaveLength(withoutOwner + 4);
    expect(lines[0]).toMatch(/^table,target,key,reason,policy,/);
    expect(new Set(lines).size).toBe(lines.length);
    await api().get(at('/unfillable/export?table=itm')).expect(400);
    await api().get(at('/unfillable/export?policy=Hold')).expect(400);
    await api().post(at('/unfillable/retry?policy=hold')).set('Highwater-Actor', 'rosa').send({}).expect(400);

    await sql(service.databaseUrl(), `insert into owner values (99, 't99')`);
    await waitFor('nothing to be held', async () => (await condition('NoUnfillableRows')).status === 'True', {
      describe: () => condition('NoUnfillableRows'),
    });
    expect(await count('')).toBe(withoutOwner);
  });
});

describe('a list longer than anybody reads', () => {
  const program = fileURLToPath(new URL('../../apps/cli/bin/highwater.mjs', import.meta.url));
  const listing = (form: string) =>
    spawn(process.execPath, [program, 'unfillable', 'many', '-o', form, '--server', service.url()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const total = 50_000;

  it('goes through a pipe in one answer, and ends quietly when its reader has seen enough', async () => {
    await sql(service.databaseUrl(), 'create table many (id int primary key, owner int, tenant text)');
    await api()
      .post('/migrations')
      .send({ plan: plan.replace('migration: policies', 'migration: many').replace('table: item', 'table: many') })
      .expect(202);
    await sql(
      service.databaseUrl(),
      `insert into highwater.unfillable_row (migration_id, target_no, key, reason)
       select 'many', 0, array[n::text], 'InputNull' from generate_series(1, ${total}) n; insert into highwater.index_collision (migration_id, target_no, index_name, key) values ('many', 0, 'a', '{1}'), ('many', 0, 'b', '{1}');
       analyze highwater.unfillable_row`,
    );
    const whole = listing('csv');
    const keys = new Set<string>();
    for await (const line of createInterface(whole.stdout)) keys.add(line.split(',')[2] ?? '');
    expect(keys.size).toBe(total + 1);

    // the same a page at a time, each found by where the last one ended
    const paged = new Set<string>();
    let pages = 0;
    const page = (query: string) => api().get(`/migrations/many/unfillable?limit=1000${query}`);
    for (let cursor: string | null = ''; cursor !== null; pages += 1) {
      const { body } = (await page(cursor === '' ? '' : `&cursor=${cursor}`).expect(200)) as {
        body: { rows: { key: string[]; constraint: string | null }[]; nextCursor: string | null };
      };
      for (const { key, constraint } of body.rows) paged.add(JSON.stringify([key, constraint]));
      cursor = body.nextCursor;
    }
    expect([paged.size, pages]).toEqual([total + 2, total / 1_000 + 1]);
    // the last thousand of all, full, and nothing behind it
    const { body: last } = await page(`&offset=${total + 2 - 1_000}`).expect(200);
    expect([last.rows.length, last.nextCursor]).toEqual([1_000, null]);
    const { body: second } = await page('&offset=2').expect(200);
    const { body: first } = await api().get('/migrations/many/unfillable?limit=2').expect(200);
    const { body: after } = await page(`&cursor=${first.nextCursor as string}`).expect(200);
    expect(after).toEqual(second);
    // one of another list, and none at all
    const { body: elsewhere } = await api().get('/migrations/policies/unfillable?limit=1').expect(200);
    expect(elsewhere.nextCursor).toEqual(expect.any(String));
    for (const wrong of ['nonsense', Buffer.from('["rows",7,["1"]]').toString('base64url')])
        expect((await page(`&cursor=${wrong}`).expect(400)).body).toMatchObject({ code: 'HW6023', help: expect.stringContaining('without cursor') as string }); // prettier-ignore

    const cut = listing('json');
    let complaint = '';
    cut.stderr.on('data', (text) => (complaint += String(text)));
    const ended = once(cut, 'close');
    await once(cut.stdout, 'data');
    cut.stdout.destroy();
    expect([...(await ended), complaint]).toEqual([0, null, '']);
  });
});
