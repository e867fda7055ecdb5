import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import pg from 'pg';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import { openFaultProxy, type FaultProxy } from './fault-proxy.js';
import { brokers, unique, usePostgres, waitFor } from './stack.js';

const open = new Set<FaultProxy>();
const proxyFor = async (server: Parameters<typeof openFaultProxy>[0]): Promise<FaultProxy> => {
  const proxy = await openFaultProxy(server);
  open.add(proxy);
  return proxy;
};
afterEach(async () => {
  for (const proxy of open) await proxy.close();
  open.clear();
});

describe('a proxy that fails as networks fail', () => {
  const heard: string[] = [];
  const echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard.push(chunk.toString());
      socket.write(chunk);
    });
  });
  let port = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    port = (echo.address() as AddressInfo).port;
  });
  afterAll(() => void echo.close());

  /** A client that notes what comes back, and how its connection ended. */
  async function dial(proxy: FaultProxy) {
    const socket: Socket = connect(proxy.port, proxy.host);
    const state = { text: '', ended: undefined as string | undefined };
    socket.on('data', (chunk) => (state.text += chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => (state.ended = error.code));
    socket.on('close', () => (state.ended ??= 'closed'));
    await waitFor('the connection', () => socket.readyState === 'open' || state.ended !== undefined);
    return { socket, state };
  }

  it('is transparent while nothing is wrong, and hears of an end', async () => {
    const proxy = await proxyFor({ port });
    const { socket, state } = await dial(proxy);
    socket.write('hello');
    await waitFor('the echo', () => state.text === 'hello');
    socket.end();
    await waitFor('the end', () => state.ended === 'closed' && proxy.connections() === 0);
  });

  it('delays in order, and lets less through', async () => {
    const proxy = await proxyFor({ port });
    const { socket, state } = await dial(proxy);
    const lift = proxy.latency({ ms: 150, jitterMs: 50, direction: 'toServer' });
    let began = performance.now();
    socket.write('one ');
    await waitFor('the first', () => heard.includes('one '));
    socket.write('two ');
    await waitFor('both', () => state.text === 'one two ', { everyMs: 2 });
    expect(performance.now() - began).toBeGreaterThan(290);
    lift();
    proxy.bandwidth({ bytesPerSecond: 50_000, direction: 'toClient' });
    began = performance.now();
    socket.write('x'.repeat(20_000));
    await waitFor('20 kB', () => state.text.length >= 20_008, { everyMs: 2 });
    expect(performance.now() - began).toBeGreaterThan(380);
  });

  it('swallows: neither side is told, and what lost bytes is reset when that is over', async () => {
    const proxy = await proxyFor({ port });
    const first = await dial(proxy);
    const other = await dial(proxy);
    const lift = proxy.timeout();
    first.socket.write('swallowed');
    const late = await dial(proxy); // a new connection is swallowed too
    late.socket.write('also');
    const before = heard.length;
    await waitFor('both to be swallowed', () => proxy.swallowed() === 2);
    expect([heard.length, first.state.ended, late.state.ended]).toEqual([before, undefined, undefined]);
    lift();
    await waitFor('resets', () => first.state.ended === 'ECONNRESET' && late.state.ended === 'ECONNRESET');
    other.socket.write('still here');
    await waitFor('the untouched one', () => other.state.text === 'still here');
  });

  it('swallows what there is and lets new connections pass', async () => {
    const proxy = await proxyFor({ port });
    const old = await dial(proxy);
    await waitFor('the link', () => proxy.connections() === 1);
    proxy.timeout({ newOnesPass: true });
    old.socket.write('lost');
    const fresh = await dial(proxy);
    fresh.socket.write('fresh');
    await waitFor('the new one', () => fresh.state.text === 'fresh' && proxy.swallowed() === 1);
    expect(old.state).toEqual({ text: '', ended: undefined });
  });

  it('resets, limits data, goes down and comes up on the same port', async () => {
    const proxy = await proxyFor({ port });
    const reset = await dial(proxy);
    await waitFor('the link', () => proxy.connections() === 1);
    expect(proxy.resetPeer()).toBe(1);
    await waitFor('the reset', () => reset.state.ended === 'ECONNRESET');
    const lift = proxy.limitData({ bytes: 10, direction: 'toServer' });
    const limited = await dial(proxy);
    limited.socket.write('12345');
    await waitFor('what is within the limit', () => limited.state.text === '12345');
    limited.socket.write('67890');
    await waitFor('the limit', () => limited.state.ended === 'ECONNRESET');
    lift();
    const { port: before } = proxy;
    await proxy.down();
    expect((await dial(proxy)).state.ended).toBe('ECONNREFUSED');
    await proxy.up();
    expect(proxy.port).toBe(before);
    expect((await dial(proxy)).state.ended).toBeUndefined();
  });
});

describe('messages of PostgreSQL', () => {
  const { freshDatabase } = usePostgres();

  async function behind(proxy: FaultProxy, url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: proxy.url(url) });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  it('loses the answer to a COMMIT that the server has carried out', async () => {
    const url = await freshDatabase();
    const proxy = await proxyFor({ port: Number(new URL(url).port), protocol: 'postgres' });
    const client = await behind(proxy, url);
    await client.query('create table t (id int)');
    const lost = proxy.loseAnswerTo('commit');
    await client.query('begin');
    await client.query('insert into t values ($1)', [1]);
    await expect(client.query('commit')).rejects.toThrow(/ECONNRESET|terminated/);
    expect(lost.met()).toBe(1);
    const again = await behind(proxy, url);
    expect((await again.query('select id from t')).rows).toEqual([{ id: 1 }]);
    await again.end();
  });

  it('cuts after the n-th message: statements until there are carried out, later ones are not', async () => {
    const url = await freshDatabase();
    const proxy = await proxyFor({ port: Number(new URL(url).port), protocol: 'postgres' });
    const client = await behind(proxy, url);
    await client.query('create table t (id int)');
    const cut = proxy.cutAfterMessages(3);
    const outcomes: unknown[] = [];
    for (const id of [1, 2, 3, 4])
      outcomes.push(
        await client.query(`insert into t values (${id})`).then(
          () => 'done',
          () => 'cut',
        ),
      );
    expect([outcomes.slice(0, 2), outcomes[3], cut.met()]).toEqual([['done', 'done'], 'cut', 1]);
    const again = await behind(proxy, url);
    await waitFor(
      'the third, sent and never answered',
      async () => (await again.query('select from t')).rowCount === 3,
    );
    await again.end();
  });
});

describe('messages of Kafka', () => {
  it('keeps a client behind the proxy, loses an answer, goes down and comes back', async () => {
    const [address = ''] = await brokers();
    const proxy = await proxyFor({ port: Number(address.split(':')[1]), protocol: 'kafka' });
    const kafka = new Kafka({ brokers: [proxy.broker], logLevel: logLevel.NOTHING, retry: { retries: 1 } });
    const topic = `proxy-${unique()}`;
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], timeout: 30_000 });
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, retry: { retries: 8 } });
    await producer.connect();
    const stored = async (): Promise<number> => Number((await admin.fetchTopicOffsets(topic))[0]?.high);
    const send = (value: string) => producer.send({ topic, messages: [{ value }] });
    await send('one');
    const isProduce = (message: Buffer): boolean => message.readInt16BE(4) === 0;
    const lost = proxy.loseAnswerTo(isProduce);
    await send('two'); // stored, not answered, sent again
    expect(lost.met()).toBe(1);
    expect(await stored()).toBe(3);
    await proxy.down();
    await expect(admin.fetchTopicOffsets(topic)).rejects.toThrow();
    await proxy.up();
    await send('three');
    // a client gives up a connection that is not there within a second
    expect(await waitFor('the broker to answer again', stored)).toBe(4);
    await producer.disconnect();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  });
});
