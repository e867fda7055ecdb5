import pg from 'pg';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { useService } from '../support/service.js';
import { unique, usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const service = useService(async () => {
  const url = await freshDatabase('api');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create table "Group" (id text primary key, "orgId" text, "workspaceId" text)');
  await client.query(`insert into "Group" values ('g1', 'o1', null)`);
  await client.end();
  return url;
}, ['control']);
const api = () => request(service.url());

const plan = (name: string): string => `highwater: 1
migration: ${name}
tables:
  - table: Group
    target: { column: workspaceId, type: text }
    rule: { column: orgId }
stream: none
`;
const planned = async (): Promise<string> => {
  const name = `api-${unique()}`;
  await api().post('/migrations').type('application/yaml').send(plan(name)).expect(202);
  return name;
};
const problem = { 'content-type': /^application\/problem\+json/ };

describe('problems', () => {
  const cases: [string, () => request.Test, number, string][] = [
    ['an unknown address', () => api().get('/nothing'), 404, 'HW6201'],
    ['an unknown migration', () => api().get('/migrations/none'), 404, 'HW6010'],
    ['an unknown operation', () => api().get('/operations/none'), 404, 'HW6207'],
    [
      'a body beyond 64 KiB',
      () => api().post('/migrations').type('application/yaml').send('#'.repeat(70_000)),
      413,
      'HW6204',
    ],
    ['another media type', () => api().post('/migrations').type('text/xml').send('<plan/>'), 415, 'HW6203'],
    [
      'YAML where only JSON is taken',
      () => api().post('/migrations/x/pause').type('application/yaml').send('a: 1'),
      415,
      'HW6203',
    ],
    ['broken JSON', () => api().post('/migrations/x/pause').type('json').send('{"reason'), 400, 'HW6202'],
    ['a body with an unknown key', () => api().post('/migrations/x/pause').send({ reasons: 'x' }), 400, 'HW6202'],
    ['a halt without a reason', () => api().post('/migrations/x/halt').send({}), 400, 'HW6202'],
    ['a cutover without If-Match', () => api().post('/cutover').send({ reason: 'x' }), 428, 'HW6205'],
    ['a foreign Host', () => api().get('/migrations').set('Host', 'evil.example'), 403, 'HW6206'],
    [
      'a form of another site',
      () => api().post('/migrations').set('Origin', 'https://evil.example').send({ plan: 'x' }),
      403,
      'HW6206',
    ],
    [
      'an actor with control characters',
      () => api().post('/migrations/x/pause').set('Highwater-Actor', 'a\tb'),
      400,
      'HW6202',
    ],
  ];
  it.each(cases)('%s', async (_what, ask, status, code) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.headers['content-type']).toMatch(problem['content-type']);
    expect(response.body).toMatchObject({
      status,
      code,
      type: `docs/errors.md#${code.toLowerCase()}`,
      instance: expect.any(String),
    });
  });

  it('a plan with a mistake: position and excerpt', async () => {
    const text = plan('bad').replace('column: orgId', 'column: orgid');
    const { body, status } = await api().post('/migrations').type('application/yaml').send(text);
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'HW1102', issues: [{ line: 6, code: 'HW1102' }] });
    expect(body.text).toContain('orgid');
  });
});

describe('migrations', () => {
  it('accepts a plan as YAML or JSON, once', async () => {
    const name = `api-${unique()}`;
    const first = await api()
      .post('/migrations')
      .send({ plan: plan(name) })
      .expect(202);
    expect(first.body).toMatchObject({ migrationId: name, verb: 'plan', status: 'succeeded' });
    expect(first.headers['location']).toBe(`/operations/${first.body.id}`);
    await api()
      .get(first.headers['location'] ?? '')
      .expect(200);
    await api().post('/migrations').type('application/yaml').send(plan(name)).expect(202);
    const { body } = await api().get('/migrations').expect(200);
    expect(body.migrations.filter((one: { id: string }) => one.id === name)).toHaveLength(1);
  });

  it('refuses another plan under the same name', async () => {
    const name = await planned();
    await api()
      .post('/migrations')
      .type('application/yaml')
      .send(`${plan(name)}limits: { lockAttempts: 3 }\n`)
      .expect(409);
  });

  it('records the actor, and one operation per idempotency key', async () => {
    const name = await planned();
    const pause = (reason: string) =>
      api()
        .post(`/migrations/${name}/pause`)
        .set('Highwater-Actor', 'rosa')
        .set('Idempotency-Key', `k-${name}`)
        .send({ reason });
    const first = await pause('lunch').expect(202);
    const again = await pause('lunch').expect(202);
    expect(again.body.id).toBe(first.body.id);
    expect(first.body.actor).toBe('rosa');
    const other = await pause('dinner').expect(422);
    expect(other.body.code).toBe('HW6018');
  });

  it('lists events as JSON and as server-sent events from Last-Event-ID on', async () => {
    const name = await planned();
    const { body } = await api().get(`/migrations/${name}/events`).expect(200);
    expect(body.events[0]).toMatchObject({ version: 1, type: 'Planned' });

    const aborted = new AbortController();
    const response = await fetch(`${service.url()}/migrations/${name}/events`, {
      headers: { accept: 'text/event-stream', 'last-event-id': '0' },
      signal: aborted.signal,
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await waitFor('the first event on the stream', async () => {
      text += (await reader?.read())?.value ?? '';
      return text.includes('\n\n');
    });
    expect(text).toContain('id: 1\nevent: Planned\ndata: {');
    aborted.abort();
  });
});

describe('cutover', () => {
  it('shows readiness with an ETag, refuses a stale generation and one that is not ready', async () => {
    const name = await planned();
    const readiness = await waitFor('the first evaluation', async () => {
      const response = await api().get('/cutover/readiness').query({ migration: name });
      return response.status === 200 && response;
    });
    expect(readiness.headers['cache-control']).toBe('no-store');
    expect(readiness.headers['etag']).toBe(`"${readiness.body.generation}"`);
    expect(readiness.body.ready).toBe(false);
    await api().get('/cutover/readiness/probe').query({ migration: name }).expect(503);

    const cutover = (generation: string) =>
      api().post('/cutover').query({ migration: name }).set('If-Match', `"${generation}"`).send({ reason: 'spec' });
    expect((await cutover('999999').expect(412)).body.code).toBe('HW6012');
    const refused = await waitFor('an evaluation that stays while it is presented', async () => {
      const { body } = await api().get('/cutover/readiness').query({ migration: name });
      const response = await cutover(body.generation);
      return response.status === 422 && response;
    });
    expect(refused.body.conditions.length).toBeGreaterThan(3);
  });

  it('waits for news when asked to, and says 304 when there was none', async () => {
    const name = await planned();
    const seen = await waitFor('the first evaluation', async () => {
      const response = await api().get('/cutover/readiness').query({ migration: name });
      return response.status === 200 && response;
    });
    let etag = seen.headers['etag'] ?? '';
    await waitFor('300 ms without news', async () => {
      const { status, headers } = await api()
        .get('/cutover/readiness')
        .query({ migration: name, wait: '300ms' })
        .set('If-None-Match', etag);
      if (status === 304) return true;
      // an evaluation came between: that is news, of another generation
      expect([status, headers['etag'] === etag]).toEqual([200, false]);
      etag = headers['etag'] ?? '';
      return false;
    });
  });

  it('asks which migration is meant when several are live', async () => {
    await planned();
    await planned();
    const { body } = await api().get('/cutover/readiness').expect(400);
    expect(body.context.live.length).toBeGreaterThan(1);
  });
});

describe('documents', () => {
  it('serves OpenAPI with every route, its body and its problem', async () => {
    const { body } = await api().get('/openapi.json').expect(200);
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        '/migrations',
        '/migrations/{id}',
        '/migrations/{id}/events',
        '/cutover',
        '/cutover/readiness',
        '/operations/{id}',
      ]),
    );
    const { post } = body.paths['/cutover'];
    expect(JSON.stringify(post.requestBody)).toContain('lockBudget');
    expect(Object.keys(post.responses)).toEqual(expect.arrayContaining(['202', 'default']));
  });

  it('serves AsyncAPI, metrics and health', async () => {
    expect((await api().get('/asyncapi.json').expect(200)).body.asyncapi).toBe('3.0.0');
    expect((await api().get('/metrics').expect(200)).text).toContain('highwater_build_info');
    for (const probe of ['live', 'startup', 'ready'])
      await waitFor(`health ${probe}`, async () => (await api().get(`/health/${probe}`)).status === 200);
  });
});
