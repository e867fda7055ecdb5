import { expect, it } from 'vitest';
import type { ForecastView } from '@highwater/roles';
import { groupsSchema, highwater, sql, usePlanFiles } from '../support/cli.js';
import { useService } from '../support/service.js';
import { unique, usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const planFile = usePlanFiles();
const service = useService(async () => {
  const url = await freshDatabase('forecast');
  await sql(url, `${groupsSchema}; update "Group" set "orgId" = null where id in ('g7', 'g8', 'g9')`);
  return url;
}, ['control', 'sweeper']);
const remote = (...args: string[]) => highwater({ HIGHWATER_HTTP: service.url() }, ...args);
const local = (...args: string[]) => highwater({ HIGHWATER_DATABASE_URL: service.databaseUrl() }, ...args);
const get = (path: string) => fetch(`${service.url()}${path}`);

it('is told of a plan file without a service, of a planned migration as of now, and of a started one beside its outcome', async () => {
  const name = `forecast-${unique()}`;
  const file = planFile(name);
  const alone = await local('forecast', file);
  expect(alone).toMatchObject({ code: 0, err: '' });
  expect(alone.out).toContain('public.Group.workspaceId: 500 rows, 0 have a value, 497 will get one, 3 will not\n');
  expect(alone.out).toMatch(/^ +497 {2}orgId\n +3 {2}InputNull: g7, g8, g9\n +select r.id from .*;\n$/m);
  const [pasted] = /select .*;/.exec(alone.out) ?? [''];
  expect(await sql(service.databaseUrl(), pasted)).toEqual([{ id: 'g7' }, { id: 'g8' }, { id: 'g9' }]);
  expect(await local('forecast', file, '--table', 'Grup')).toMatchObject({
    err: expect.stringMatching(/HW6020.*tables: public\.Group/s) as string,
  });

  await remote('start', file);
  await waitFor(
    'the bridge',
    async () => JSON.parse((await remote('status', name, '-o', 'json')).out).phase === 'bridged',
  );
  // what nobody had foreseen: the one gets its value from the bridge, the other is listed by the next pass
  await sql(service.databaseUrl(), `insert into "Group" values ('late', 'o1', null), ('later', null, null)`);
  const told = await waitFor('the outcome', async () => {
    const view = JSON.parse((await remote('forecast', name, '-o', 'json')).out) as ForecastView;
    return view.tables[0]?.outcome?.unfillable === 4 && view;
  });
  expect(told).toMatchObject({ migration: name, kept: true, notes: [] });
  expect(told.tables).toMatchObject([
    { filled: 497, unfillable: [{ reason: 'InputNull', rows: 3 }], outcome: { filled: 497, unfillable: 4 } },
  ]);
  expect((await remote('forecast', name)).out).toContain('3 will not; became: 497 filled, 4 listed as unfillable\n');
  expect(await remote('forecast', name, '--exact')).toMatchObject({ code: 64 });

  expect((await get(`/migrations/${name}/forecast?table=Group`)).status).toBe(200);
  expect((await get(`/migrations/${name}/forecast?tabel=Group`)).status).toBe(400);
  expect(await (await get(`/migrations/${name}/forecast?table=Grup`)).json()).toMatchObject({ code: 'HW6020' });
  expect((await get('/migrations/none/forecast')).status).toBe(404);

  const second = `forecast-${unique()}`;
  await fetch(`${service.url()}/migrations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      plan: `highwater: 1\nmigration: ${second}\ntables: [ { table: Group, target: { column: tenant, type: text, addColumn: true }, rule: orgId } ]\nstream: none\n`,
    }),
  });
  const [first, again] = await Promise.all(
    [1, 2].map(async () => (await get(`/migrations/${second}/forecast`)).json()),
  );
  expect(first).toMatchObject({
    kept: false,
    tables: [{ rows: 502, filled: 498, outcome: null, notes: ['the column is not there yet: expand adds it'] }],
  });
  expect(again).toMatchObject({ kept: false, tables: [{ rows: 502 }] });
});
