import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { openDatabase, SlotReader, tryLead, type DatabaseSettings } from '@highwater/target-db';
import { openFaultProxy, type FaultProxy } from '../support/fault-proxy.js';
import { ask, startService } from '../support/service-process.js';
import { openStream, streaming } from '../support/stream.js';
import { usePostgres, waitFor, withinLimit } from '../support/stack.js';
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
    return client;
  };
  const [idle, long, bounded] = [await connect(), await connect(), await connect()];
  for (const client of [idle, long, bounded]) boundSilence(client, 1_000);
  await expectingSilence(long, () => long.query('select pg_sleep(1.6)'));
  // it was idle for longer than a statement may be silent; how long its own answer takes is the machine's
  await expect(expectingSilence(idle, () => idle.query('select 1'))).resolves.toMatchObject({ rowCount: 1 });
  way.timeout({ newOnesPass: true });
  const asking = withinLimit('the statement to be given up', bounded.query('select 1'), 30_000);
  await expect(asking).rejects.toThrow(/the server was silent/);
  const fresh = await connect();
  await expect(fresh.query('select 1')).resolves.toMatchObject({ rowCount: 1 });
  await fresh.end();
});

it('a server that says nothing more keeps nobody from ending', async () => {
  const url = await cluster.freshDatabase();
  const way = (proxy = await openFaultProxy({ port: cluster.server().port, protocol: 'postgres' }));
  const through = way.url(url);
  const settings = { urls: { stream: through, fill: through, state: through, ddl: through } };
  const lead = await tryLead(settings, 'control', () => undefined, 60_000);
  const database = openDatabase(settings);
  let closing: Promise<void> | undefined;
  await database.state.session('working', async (client) => {
    await client.query('select 1');
    boundSilence(client, 300); // nothing more is asked: only the goodbye is waited for
    closing = database.close(); // which waits for what is lent
    way.timeout();
  });
  await withinLimit('the lead to be given back', lead?.release() ?? Promise.reject(new Error('no lead')));
  await withinLimit('the sessions to be given back', closing ?? Promise.reject(new Error('not asked')));
});

/** Of a server that greets (or not) and answers nothing more, as one behind a firewall that has just forgotten the connection. */
async function mute({ greets }: { greets: boolean }): Promise<{ settings: DatabaseSettings; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const authenticated = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
  const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    if (greets) socket.once('data', () => socket.write(Buffer.concat([authenticated, readyForQuery])));
    else socket.resume();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  });
  const url = `postgres://user@127.0.0.1:${(server.address() as AddressInfo).port}/database`;
  return { settings: { urls: { stream: url, fill: url, state: url, ddl: url } }, sockets };
}

const never = (): never => {
  throw new Error('nothing streams');
};
const handlers = { onServer: never, onStreaming: never, onMessage: never, onKeepalive: never, acknowledged: never };

it('whoever asks for the lead, or for a slot, does not wait for a server that fell silent right after it was connected to', async () => {
  const { settings } = await mute({ greets: true });
  const asking = tryLead(settings, 'control', () => undefined, 500);
  await expect(withinLimit('the lead to be given up', asking, 30_000)).rejects.toThrow(/the server was silent/);
  const reading = new SlotReader(settings, 'slot', 'publication', handlers, 0, 500).run();
  await expect(withinLimit('the stream to be given up', reading, 30_000)).rejects.toThrow(/silent before it streamed/);
});

it('a stream that is given up while it is being connected ends at once, and leaves no connection', async () => {
  const { settings, sockets } = await mute({ greets: false });
  for (const moment of ['while it connects', 'before its client is there', 'before it was asked to']) {
    const reader = new SlotReader(settings, 'slot', 'publication', handlers);
    const connectedBefore = sockets.size;
    const closing = moment === 'before it was asked to' ? reader.close() : undefined;
    const reading = reader.run();
    if (moment === 'while it connects') await waitFor('the connection', () => sockets.size > connectedBefore);
    await withinLimit(`close ${moment}`, closing ?? reader.close(), 30_000);
    await withinLimit(`the end of a run that was closed ${moment}`, reading, 30_000);
    await waitFor(`no connection, closed ${moment}`, () => [...sockets].every((socket) => socket.closed));
  }
});

it('a relay that is stopped does not wait for a Kafka that swallows what it is sent: while it connects, and while it streams', async () => {
  const open = await openStream(cluster.server(), 'swallowed');
  onTestFinished(() => open.close());
  const { port: real = '' } = /:(?<port>\d+)$/.exec(open.kafka.brokers[0] ?? '')?.groups ?? {};
  const way = (proxy = await openFaultProxy({ port: Number(real), protocol: 'kafka' }));
  const kafka = { ...open.kafka, brokers: [way.broker] };

  const streams = open.relay({ kafka });
  await streams.start();
  await streaming(streams);
  way.timeout();
  await open.app.query(`insert into app."Activity" (id) values ('stays with the slot')`);
  await waitFor('the broker to be asked', () => way.swallowed() > 0);
  await withinLimit('a relay that streams to stop', streams.stop(), 15_000);

  const connects = open.relay({ kafka });
  const before = way.connections();
  await connects.start();
  await waitFor('a connection', () => way.connections() > before);
  await withinLimit('a relay that connects to stop', connects.stop(), 5_000);
}, 120_000);

it('a service that waits for a silent server when it is to end does not wait when it is told again', async () => {
  const url = await cluster.freshDatabase();
  const way = (proxy = await openFaultProxy({ port: cluster.server().port, protocol: 'postgres' }));
  const folder = mkdtempSync(join(tmpdir(), 'highwater-told-twice-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, 'service.log');
  const service = await startService({ HIGHWATER_DATABASE_URL: way.url(url) }, log);
  onTestFinished(() => void service.child.kill('SIGKILL'));
  await waitFor('the service to be ready', async () => (await ask(service.url, '/health/ready'))?.status === 200);
  way.timeout();
  service.child.kill('SIGTERM');
  await waitFor('the service to begin to end', () => readFileSync(log, 'utf8').includes('draining'));
  await service.kill('SIGINT');
  expect(service.child.exitCode, readFileSync(log, 'utf8')).toBe(130);
});
