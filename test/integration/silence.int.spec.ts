import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { openFaultProxy, type FaultProxy } from '../support/fault-proxy.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { boundSilence, expectingSilence } from '../../libs/target-db/src/session/silence.js';

const cluster = usePostgres();
let proxy: FaultProxy | undefined;
afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});

it('a statement on a connection that a firewall forgot ends; one that may take long, and an idle session, do not', async () => {
  const url = await cluster.freshDatabase();
  const way = (proxy = await openFaultProxy({ port: cluster.server().port, protocol: 'postgres' }));
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: way.url(url) });
    client.on('error', () => undefined);
    await client.connect();
    boundSilence(client, 300);
    return client;
  };
  const [idle, long, bounded] = [await connect(), await connect(), await connect()];
  await expectingSilence(long, () => long.query('select pg_sleep(0.8)'));
  await expect(idle.query('select 1')).resolves.toMatchObject({ rowCount: 1 });
  way.timeout({ newOnesPass: true });
  const began = performance.now();
  await expect(bounded.query('select 1')).rejects.toThrow(/the server was silent/);
  expect(performance.now() - began).toBeLessThan(5_000);
  const fresh = await connect();
  await waitFor('a new one to work', async () => (await fresh.query('select 1')).rowCount === 1);
  await fresh.end();
});
