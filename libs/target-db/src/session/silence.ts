import type { Socket } from 'node:net';
import type { Client } from './database.js';

/**
 * A connection that a firewall forgot answers nothing and ends nowhere: without a bound of our own the statement on it waits for as long as
 * TCP tries, a quarter of an hour. Two seconds more than the longest statement that is bounded at all (`statement_timeout`).
 */
export const silenceMsMax = 32_000;

const socketOf = (client: Client): Socket =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

/** From now on a session that hears nothing for so long is over: what runs on it fails as a lost connection, its outcome unknown. */
export function boundSilence(client: Client, ms = silenceMsMax): void {
  const socket = socketOf(client);
  socket.setTimeout(ms, () =>
    socket.destroy(new Error(`connection terminated: the server was silent for ${Math.round(ms / 1_000)} s`)),
  );
}

/** For a statement that may take hours and says nothing meanwhile; TCP's own keep-alive is all that watches it. */
export async function expectingSilence<T>(client: Client, work: () => Promise<T>): Promise<T> {
  const socket = socketOf(client);
  const before = socket.timeout ?? 0;
  socket.setTimeout(0);
  try {
    return await work();
  } finally {
    socket.setTimeout(before);
  }
}
