import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import type { Settings } from '@highwater/roles';
import { copyServer, type CopiedServer, type PhysicalCopy, type TakeOver } from '../../support/copied-server.js';
import { proxied, type Links } from '../../support/proxied-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';
import { startPausedStreamRun, type StreamRun } from '../../support/stream-run.js';

/*
 * The server goes away for good and an older copy of it takes over, behind the address that we know. What the old one committed after the copy is
 * lost, as an asynchronous failover loses it; every row that the new one has must get its value. One of them was acknowledged to the slot
 * before the copy and filled after it: no hint of it will ever come again.
 */
const cluster = usePostgres();
const by = { actor: { name: 'test', method: 'os' as const } };
let run: StreamRun | undefined;
let links: Links | undefined;
let copy: PhysicalCopy | undefined;
let successor: CopiedServer | undefined;
let client: pg.Client | undefined;
afterEach(async () => {
  await run?.close();
  await client?.end();
  await links?.close();
  await successor?.stop();
  copy?.remove();
  run = links = copy = successor = client = undefined;
});

interface FailedOver {
  readonly run: StreamRun;
  /** One number, asked of the server that took over. */
  number(text: string): Promise<number>;
  insert(title: string): Promise<void>;
}

/** Runs to the copy, goes on, and fails over to what became of the copy. `meanwhile` works on the new server before anybody is led to it. */
async function failOver(
  name: string,
  as: TakeOver,
  meanwhile: (server: pg.Client) => Promise<unknown> = () => Promise.resolve(),
): Promise<FailedOver> {
  const way = (links = await proxied(cluster.server().port));
  const url = await cluster.freshDatabase();
  const now = (run = await startPausedStreamRun(url, name, { change: (settings: Settings) => way.through(settings) }));
  const { admin } = now.prepared;
  /** The server was told that everything up to now is in Kafka. */
  const acknowledged = async (): Promise<void> => {
    const { rows } = await admin.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    await waitFor('the slot to be told', async () => {
      const slots = await admin.query(
        `select from pg_replication_slots where database = current_database() and confirmed_flush_lsn >= $1::pg_lsn`,
        [rows[0]?.lsn],
      );
      return slots.rowCount === 1;
    });
  };
  await now.done(await now.engine.control.halt(now.id, by));
  await now.insert('acknowledged, not filled');
  await acknowledged();
  copy = await copyServer(cluster.server());
  await now.resume();
  await waitFor('the old server to fill it', () => now.isFilled('acknowledged, not filled'));
  await now.insert('lost with the old server');
  await waitFor('the old server to fill that', () => now.isFilled('lost with the old server'));
  await admin.query('select pg_switch_wal()');
  await now.insert('in the next segment of WAL');
  await acknowledged();

  await way.postgres.down();
  successor = await copy.start(as);
  const there = (client = new pg.Client({
    connectionString: Object.assign(new URL(url), { port: String(successor.port) }).href,
  }));
  there.on('error', () => undefined);
  await there.connect();
  await meanwhile(there);
  way.postgres.pointTo(successor.port);
  await way.postgres.up();
  return {
    run: now,
    number: async (text) => Number(Object.values((await there.query<Record<string, string>>(text)).rows[0] ?? {})[0]),
    insert: async (title) =>
      void (await there.query(`insert into "Activity" ("groupId", title) values ('g1', $1)`, [title])),
  };
}

/** The migration is halted there, as it was when the copy was made; then it goes on to its end. */
async function endsRight({ run, number, insert }: FailedOver, epoch: number): Promise<void> {
  expect(await number(`select count(*) from "Activity" where title like 'lost%'`)).toBe(0);
  expect(
    await number(`select count(*) from "Activity" where title = 'acknowledged, not filled' and "workspaceId" is null`),
  ).toBe(1);
  await run.resume();
  await run.rebuilt(epoch);
  await insert('after the failover');
  await run.until('bridged');
  await waitFor(
    'every row that the new server has to have its value',
    async () =>
      (await number(
        `select count(*) from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from g."orgId"`,
      )) === 0,
    { timeoutMs: 40_000 },
  );
  expect(await number(`select count(*) from "Activity" where title = 'after the failover'`)).toBe(1);
  expect(await number(`select count(*) from pg_replication_slots where database = current_database()`)).toBe(1);
}

/** More than any old server of this spec wrote after its copy. */
async function writeMoreWal(server: pg.Client): Promise<void> {
  await server.query('create table more (n int)');
  for (let n = 0; n < 4; n += 1)
    await server.query('insert into more values (1)').then(() => server.query('select pg_switch_wal()'));
}

it('F30 a standby with an older slot takes over, and writes more WAL than the old server had: another timeline, a new epoch', async () => {
  const over = await failOver('failover-older', { how: 'promoted' }, writeMoreWal);
  const broken = await over.run.broken(1);
  console.log(`older slot: ${broken.reason}: ${broken.message}`);
  expect(broken).toMatchObject({ reason: 'HistoryChanged', message: expect.stringContaining('timeline 2') as string });
  await endsRight(over, 2);
});

it('F30 a standby without the slot takes over: the slot is missing, a new epoch', async () => {
  const over = await failOver('failover-none', { how: 'promoted', withoutSlots: true });
  const broken = await over.run.broken(1);
  console.log(`no slot: ${broken.reason}: ${broken.message}`);
  expect(broken.reason).toBe('SlotMissing');
  await endsRight(over, 2);
});

it('F30 a snapshot is started, whose WAL ends before what was acknowledged: another history, a new epoch', async () => {
  const over = await failOver('failover-shorter', { how: 'restored' });
  const broken = await over.run.broken(1);
  console.log(`shorter WAL: ${broken.reason}: ${broken.message}`);
  expect(broken).toMatchObject({ reason: 'HistoryChanged', message: expect.stringContaining('WAL ends') as string });
  await endsRight(over, 2);
});

it('F30 a snapshot on the same timeline that wrote more WAL than the old server: nobody can tell, and the end is right', async () => {
  const over = await failOver('failover-longer', { how: 'restored' }, writeMoreWal);
  const { rows } = await over.run.prepared.admin.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  expect(await over.number(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '${rows[0]?.lsn}')`)).toBeGreaterThan(0);
  await endsRight(over, 1);
  expect((await over.run.events()).map((event) => event.type)).not.toContain('StreamBroken');
});
