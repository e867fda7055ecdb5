import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { groupsSchema, sql } from '../support/cli.js';
import { useService } from '../support/service.js';
import { unique, usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const service = useService(async () => {
  const url = await freshDatabase('api-operator');
  await sql(url, groupsSchema);
  return url;
}, ['control', 'sweeper']);
const api = () => request(service.url());
const db = (text: string) => sql(service.databaseUrl(), text);

describe('what an operator asks of the API', () => {
  const name = `api-${unique()}`;
  const at = (path: string): string => `/migrations/${name}${path}`;
  const post = (path: string, body: object = {}) => api().post(at(path)).set('Highwater-Actor', 'rosa').send(body);
  const settled = (answer: request.Response) =>
    waitFor(`operation ${answer.body.verb}`, async () => {
      const { body } = await api().get(answer.headers['location'] ?? '');
      return body.status !== 'accepted' && body.status !== 'running' && body;
    });

  it('is refused with a reason before there is anything to do', async () => {
    await api()
      .post('/migrations')
      .send({
        plan: `highwater: 1\nmigration: ${name}\ntables:\n  - table: Group\n    target: { column: workspaceId, type: text }\n    rule: { column: orgId }\ncutover: { mode: bridge, start: manual, window: 1s }\nstream: none\napprovals: 1\n`,
      })
      .expect(202);
    for (const path of ['/verify', '/unfillable/retry']) {
      const { body } = await post(path).expect(409);
      expect(body).toMatchObject({ code: 'HW6014', context: { phase: 'planned' } });
    }
    expect((await post('/unenforce', { reason: 'x' }).expect(409)).body.code).toBe('HW6014');
    for (const path of ['/hold', '/release', '/approve', '/unenforce']) await post(path).expect(400);
    await api().get('/migrations/none/verification').expect(404);
    await api().post('/migrations/none/verify').expect(404);
    await api().get(at('/unfillable?reason=Because')).expect(400);
    await api().get(at('/unfillable?tabel=Group')).expect(400);
    expect((await api().get(at('/unfillable?table=Grup')).expect(400)).body).toMatchObject({
      code: 'HW6020',
      help: 'tables: public.Group',
    });
    await api().get(at('/verification?limit=100000')).expect(400);
    const { body } = await api().patch(at('/limits')).send({ reason: 'nothing else' }).expect(400);
    expect(body.detail).toContain('expected at least one limit');
    expect((await api().patch(at('/limits')).send({ rowBudget: '100' }).expect(400)).body.detail).toContain(
      'rowBudget',
    );
    const bounds = (await api().patch(at('/limits')).send({ rowBudget: '1s' }).expect(400)).body.detail;
    expect(bounds).toContain('rowBudget: expected a duration with a unit (500ms, 10s, 10m), 1ms to 900ms; found "1s"');
    // what preflight would refuse on this server is refused at the door too
    const tooLong = await api().patch(at('/limits')).send({ rowBudget: '900ms' }).expect(422);
    expect(tooLong.headers['content-type']).toContain('application/problem+json');
    expect(tooLong.body).toMatchObject({
      code: 'HW2117',
      detail: `limits of migration "${name}" are not changed: limits.rowBudget 900ms, deadlock_timeout 1s; the row budget must be at most half of it`,
      context: { limit: 'rowBudget', found: '900ms', expected: 'at most 500ms' },
      help: `highwater set ${name} rowBudget=500ms, or less`,
    });
    expect((await api().get(at('/steps')).expect(200)).body.steps[0]).toMatchObject({ step: 'sweep and live fill' });
  });

  it('verifies once per idempotency key, one at a time, and lists keys alone', async () => {
    await settled(await post('/start').expect(202));
    await waitFor('the bridge', async () => (await api().get(at(''))).body.phase === 'bridged');
    await waitFor('the first verification', async () => (await api().get(at('/verification'))).body.last !== null);
    await db(`update "Group" set "workspaceId" = 'canary-4711' where id in ('g1', 'g2', 'g3')`);
    const verify = () => post('/verify', { reason: 'audit' }).set('Idempotency-Key', `v-${name}`);
    const first = await verify().expect(202);
    expect((await verify().expect(202)).body.id).toBe(first.body.id);
    expect(await settled(first)).toMatchObject({ status: 'succeeded', actor: 'rosa', result: { mismatches: 3 } });
    expect((await verify().expect(202)).body).toMatchObject({ id: first.body.id, status: 'succeeded' });
    const page = (await api().get(at('/verification?limit=2&offset=1')).expect(200)).body;
    expect(page.mismatches.map((one: { key: string[] }) => one.key)).toEqual([['g2'], ['g3']]);
    const begun = (await api().get(at('/verification?limit=1')).expect(200)).body;
    const rest = (
      await api()
        .get(at(`/verification?limit=2&cursor=${begun.nextCursor}`))
        .expect(200)
    ).body;
    expect([rest.mismatches, rest.nextCursor]).toEqual([page.mismatches, null]);
    expect(page.nextCursor).toBeNull(); // full, and nothing behind it
    const entry = Buffer.from('["rows",0,["g1"]]').toString('base64url');
    expect(
      (
        await api()
          .get(at(`/verification?cursor=${entry}`))
          .expect(400)
      ).body.code,
    ).toBe('HW6023');
    expect(JSON.stringify(page)).not.toContain('canary');
    expect(JSON.stringify((await api().get(at('/events'))).body)).not.toContain('canary');
    await db(`update "Group" set "workspaceId" = "orgId" where "workspaceId" = 'canary-4711'`);
    expect(await settled(await post('/verify').expect(202))).toMatchObject({ result: { mismatches: 0 } });
    expect((await api().get(at('/verification'))).body.mismatches).toEqual([]);
  });

  it('gives unfillable rows as JSON and CSV, and retries them', async () => {
    await db(`insert into "Group" (id) values ('lost'), ('a,b')`);
    await waitFor('two listed rows', async () => (await api().get(at('/unfillable'))).body.rows.length === 2);
    const csv = await api().get(at('/unfillable?table=Group&reason=InputNull')).set('Accept', 'text/csv').expect(200);
    expect(csv.headers['content-type']).toMatch(/^text\/csv/);
    expect(csv.text.split('\r\n')[0]).toBe(
      'table,target,key,reason,policy,sqlstate,constraint,attempts,firstSeen,lastSeen,entity',
    );
    expect(csv.text).toContain('public.Group,workspaceId,"a,b",InputNull');
    await db(`delete from "Group" where id in ('lost', 'a,b')`);
    expect(await settled(await post('/unfillable/retry?table=Group', { reason: 'deleted' }).expect(202))).toMatchObject(
      {
        status: 'succeeded',
      },
    );
    expect((await api().get(at('/unfillable'))).body.rows).toEqual([]);
  });

  it('needs the approval that the plan asks for', async () => {
    const approved = async () =>
      (await api().get('/cutover/readiness')).body.conditions?.find((one: { type: string }) => one.type === 'Approved');
    expect(await approved()).toMatchObject({ status: 'Unknown', reason: 'Missing' });
    await settled(await post('/approve', { reason: 'read the forecast' }).expect(202));
    await waitFor('the approval', async () => (await approved())?.status === 'True');
    await waitFor('readiness', async () => (await api().get('/cutover/readiness')).body.ready === true);
  });

  it('documents each of these routes', async () => {
    const { paths } = (await api().get('/openapi.json').expect(200)).body;
    for (const path of [
      'verify',
      'verification',
      'unfillable',
      'unfillable/export',
      'unfillable/retry',
      'hold',
      'release',
      'approve',
      'unenforce',
      'rollback',
      'halt',
      'limits',
      'steps',
    ])
      expect(Object.keys(paths)).toContain(`/migrations/{id}/${path}`);
    const parameters = paths['/migrations/{id}/unfillable'].get.parameters as { name: string }[];
    expect(parameters.map((one) => one.name)).toEqual(expect.arrayContaining(['table', 'reason', 'limit', 'offset']));
  });
});
