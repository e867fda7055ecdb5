import pg from 'pg';
import { formatLsn, lsn, type Lsn } from '@highwater/kernel';
import { statusMessage } from '@highwater/target-db';
import { waitFor } from './stack.js';

/**
 * A synchronous standby that confirms late: a physical replication client that stores nothing and answers every piece of WAL after a
 * delay. While it is the cluster's only synchronous standby, every commit of the cluster becomes visible that much after it was decoded.
 */
export interface SlowStandby {
  /** Answers each piece of WAL so long after it came. */
  confirmAfter(ms: number): void;
  /** Answers nothing: commits stay decoded and invisible until `release`. */
  hold(): void;
  release(): void;
  /** The cluster waits for nobody any more; then the standby goes. */
  close(): Promise<void>;
}

interface Wire {
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
  readonly stream: { destroy(): void };
}

const name = 'slow_standby';

export async function slowStandby(superuserUrl: string): Promise<SlowStandby> {
  const admin = new pg.Client({ connectionString: superuserUrl });
  admin.on('error', () => undefined);
  await admin.connect();
  const client = new pg.Client({
    connectionString: superuserUrl,
    application_name: name,
    replication: 'true',
  } as pg.ClientConfig);
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ xlogpos: string; timeline: number }>('IDENTIFY_SYSTEM');
  const wire = (client as unknown as { connection: Wire }).connection;
  let [delayMs, held, received, confirmed] = [0, false, lsn(0n), lsn(0n)];
  const confirm = (upTo: Lsn): void => {
    if (held) return;
    if (upTo > confirmed) confirmed = upTo;
    wire.sendCopyFromChunk(statusMessage(confirmed, Date.now()));
  };
  wire.on('copyData', ({ chunk }) => {
    const kind = chunk.readUInt8(0);
    const end =
      kind === 0x77 ? lsn(chunk.readBigUInt64BE(1) + BigInt(chunk.length - 25)) : lsn(chunk.readBigUInt64BE(1));
    if (end > received) received = end;
    if (delayMs === 0) confirm(end);
    else setTimeout(confirm, delayMs, end);
  });
  // answers with a stream, never with a result
  client.query(`START_REPLICATION PHYSICAL ${rows[0]?.xlogpos} TIMELINE ${rows[0]?.timeline}`).catch(() => undefined);
  await admin.query(`alter system set synchronous_standby_names = '${name}'`);
  await admin.query('select pg_reload_conf()');
  await waitFor(
    'the standby to be the synchronous one',
    async () =>
      (await admin.query(`select from pg_stat_replication where application_name = $1 and sync_state = 'sync'`, [name]))
        .rowCount === 1,
    { describe: () => formatLsn(received) },
  );
  return {
    confirmAfter: (ms) => (delayMs = ms),
    hold: () => (held = true),
    release: () => {
      held = false;
      confirm(received);
    },
    async close() {
      held = false;
      await admin.query('alter system reset synchronous_standby_names');
      await admin.query('select pg_reload_conf()');
      wire.stream.destroy();
      await admin.end();
    },
  };
}
