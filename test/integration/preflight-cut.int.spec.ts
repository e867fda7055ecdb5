import { afterEach, expect, it } from 'vitest';
import { blocking, openDatabase, runPreflight, type Database } from '@highwater/target-db';
import { openFaultProxy, type FaultProxy } from '../support/fault-proxy.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

const cluster = usePostgres();
let prepared: Prepared | undefined;
let proxy: FaultProxy | undefined;
let database: Database | undefined;
afterEach(async () => {
  await database?.close();
  await proxy?.close();
  await prepared?.close();
  database = proxy = prepared = undefined;
});

async function start(): Promise<{ look: () => ReturnType<typeof runPreflight>; way: FaultProxy }> {
  const before = (prepared = await prepare(await cluster.freshDatabase(), workspaceSchema, workspacePlan));
  await before.admin.query(`${workspaceSeed}; analyze`);
  const way = (proxy = await openFaultProxy({ port: cluster.server().port, protocol: 'postgres' }));
  const { urls } = before.database.settings;
  const through = (database = openDatabase({
    ...before.database.settings,
    urls: {
      stream: way.url(urls.stream),
      fill: way.url(urls.fill),
      state: way.url(urls.state),
      ddl: way.url(urls.ddl),
    },
  }));
  return { way, look: () => runPreflight({ ...before, database: through, kafka: { reachable: true } }) };
}

it('a connection that is cut during preflight is no finding: it looks again, wherever the cut falls', async () => {
  const { look, way } = await start();
  let cuts = 0;
  for (const direction of ['toServer', 'toClient'] as const)
    for (const n of [1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      const armed = way.cutAfterMessages(n, { direction });
      expect(blocking(await look())).toEqual([]);
      cuts += armed.met();
      armed.disarm();
    }
  expect(cuts).toBeGreaterThan(12);
});

it('a server that does not answer is a finding after a few looks, and names host and port', async () => {
  const { look, way } = await start();
  await way.down();
  const began = performance.now();
  const found = blocking(await look());
  expect(performance.now() - began).toBeGreaterThan(500);
  expect(found.map((one) => one.check)).toEqual(['Connection', 'Connection', 'Connection', 'Connection']);
  expect(found[0]?.message).toContain(`127.0.0.1:${way.port}`);
});
