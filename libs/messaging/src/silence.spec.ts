import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { endWhenSilent } from './silence.js';

let server: net.Server | undefined;
afterEach(() => server?.close());

/** A socket to somebody who answers as told, with a bound of 200 ms. */
async function socketTo(answer: (there: net.Socket, heard: Buffer) => void): Promise<net.Socket> {
  server = net.createServer((there) => {
    there.on('error', () => undefined);
    there.on('data', (heard) => answer(there, heard));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  endWhenSilent(socket, 200);
  return socket;
}

it('a connection that owes an answer and is silent ends with an error that says so', async () => {
  const socket = await socketTo(() => undefined);
  socket.write('a request');
  const [error] = (await once(socket, 'error')) as [Error];
  expect(error.message).toMatch(/the broker was silent/);
});

it('one that answers, and then is asked nothing, stays', async () => {
  const socket = await socketTo((there, heard) => there.write(heard));
  let failed: unknown;
  socket.on('error', (error) => (failed = error));
  socket.write('first');
  await once(socket, 'data');
  await new Promise((resolve) => setTimeout(resolve, 600)); // three times the bound
  socket.write('second');
  await once(socket, 'data');
  expect(failed).toBeUndefined();
  socket.destroy();
});
