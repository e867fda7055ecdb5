import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { databaseError } from './errors.js';

it('a server that takes the connection and does not greet is away, and may come back', async () => {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => void sockets.add(socket.on('error', () => undefined).resume()));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'somebody', connectionTimeoutMillis: 50 });
  const error = await client.connect().catch((thrown: unknown) => thrown);
  expect(databaseError(error, 'asking for the lead')).toMatchObject({ code: 'HW9002', retry: 'reconcile' });
});
