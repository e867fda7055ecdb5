import type { Socket } from 'node:net';
import type pg from 'pg';
import type { Client } from './database.js';

/**
 * A connection that a firewall forgot answers nothing and ends nowhere: without a bound of our own the statement on it waits for as long as
 * TCP tries, a quarter of an hour. Two seconds more than the longest statement that is bounded at all (`statement_timeout`).
 */
export const silenceMsMax = 32_000;

/** The driver's own state: false while a statement is under way; true once goodbye was said. Version pinned: 8.23. */
interface Driver {
  readonly connection: { readonly stream: Socket };
  readonly readyForQuery: boolean | null;
  readonly _ending: boolean;
}
const driverOf = (client: Client): Driver => client as unknown as Driver;

/**
 * From now on a statement that hears nothing for so long is over, its outcome unknown, and so is a goodbye. A session nothing is asked of may be
 * silent.
 */
export function boundSilence(client: Client, ms = silenceMsMax): void {
  const driver = driverOf(client);
  const { stream } = driver.connection;
  stream.setTimeout(ms);
  // `on`: the listener that setTimeout takes is heard once
  stream.on('timeout', () => {
    if (driver.readyForQuery !== true || driver._ending)
      stream.destroy(new Error(`connection terminated: the server was silent for ${Math.round(ms / 1_000)} s`));
  });
}

/** Longer than any server takes to hang up that is there at all. */
const goodbyeMsMax = 2_000;

/** Ends the session; a server that is frozen, or that a firewall has forgotten, is not waited for: it would never hang up. */
export async function sayGoodbye(client: pg.Client): Promise<void> {
  const { stream } = driverOf(client).connection;
  const hangUp = setTimeout(() => stream.destroy(), goodbyeMsMax);
  await client.end().catch(() => undefined);
  clearTimeout(hangUp);
}

/** For a statement that may take hours and says nothing meanwhile; TCP's own keep-alive is all that watches it. */
export async function expectingSilence<T>(client: Client, work: () => Promise<T>): Promise<T> {
  const { stream } = driverOf(client).connection;
  const before = stream.timeout ?? 0;
  stream.setTimeout(0);
  try {
    return await work();
  } finally {
    stream.setTimeout(before);
  }
}
