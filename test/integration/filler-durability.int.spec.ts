import { afterAll, beforeAll, expect, it } from 'vitest';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { topicNames } from '@highwater/messaging';
import { liveFill, type Live } from '../support/live.js';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { slowStandby } from '../support/slow-standby.js';
import { usePostgres, waitFor } from '../support/stack.js';

/*
 * Fills commit without waiting for the disk. So an offset may be committed only when a flush came after its fill, and a crash of the
 * server, which takes fills back that we have seen succeed, must make their hints come again. No sweep and no bridge here: what the
 * live fill forgets stays NULL.
 */
const { server, freshDatabase } = usePostgres({ settings: { wal_writer_delay: '10s' } });

const plan = `
highwater: 1
migration: durable
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;
let p: Prepared;
let live: Live;

beforeAll(async () => {
  p = await prepare(
    await freshDatabase(),
    `create table grp (id int primary key, org text);
     create table act (id bigint primary key, grp int references grp, org text);
     insert into grp select g, 'o' || g from generate_series(1, 9) g`,
    plan,
  );
  live = await liveFill(p);
});
afterAll(async () => {
  await live?.close();
  await p?.close();
});

/** On a connection of its own: the server goes down and up between two of them. */
async function asApplication<Row extends object>(sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const results = (await client.query(sql)) as unknown as pg.QueryResult<Row> | pg.QueryResult<Row>[];
    return (Array.isArray(results) ? results.at(-1) : results)?.rows ?? [];
  } finally {
    await client.end().catch(() => undefined);
  }
}
const nulls = async (): Promise<number> =>
  (await asApplication<{ n: number }>('select count(*)::int as n from act where org is null'))[0]?.n ?? 0;

it('fills that a crash of the server took back are filled again', async () => {
  let takenBack = 0;
  for (const from of [0, 100, 200]) {
    await asApplication('update highwater.gate set live_open = false');
    await asApplication(`insert into act (id, grp) select ${from} + g, 1 + g % 9 from generate_series(1, 50) g`);
    // the relay has told the server, so that only Kafka's offsets stand between the hints and oblivion
    await relayed();
    await asApplication('update highwater.gate set live_open = true');
    await waitFor('the fills', async () => (await nulls()) === 0, { everyMs: 2, describe: () => live.filler.status() });
    await server().restart?.('immediate');
    takenBack += (await waitFor('the server', async () => (await nulls()) + 1)) - 1;
    await waitFor('every row to be filled again', async () => (await nulls()) === 0, {
      describe: () => live.filler.status(),
    });
  }
  console.log(`the server took back ${takenBack} of 150 fills`);
  expect(live.broken).toEqual([]);
});

it('commits no offset while a flush is not through', async () => {
  const standby = await slowStandby(server().superuserUrl);
  try {
    await relayed();
    const { ends: before } = await waitFor('every offset', async () => {
      const now = await offsets();
      return now.committed === now.ends ? now : undefined;
    });
    standby.hold();
    await asApplication(
      `set synchronous_commit = local; insert into act (id, grp) select 1000 + g, 1 from generate_series(1, 20) g`,
    );
    await waitFor('the fills', async () => (await nulls()) === 0, { describe: () => live.filler.status() });
    await waitFor(
      'the flush to wait for the standby',
      async () =>
        (
          await asApplication(
            `select from pg_stat_activity where usename = '${p.roles.fill}' and wait_event = 'SyncRep'`,
          )
        ).length > 0,
    );
    expect(await offsets()).toEqual({ committed: before, ends: before + 20 });
    standby.release();
    await waitFor('the offsets', async () => (await offsets()).committed === before + 20);
  } finally {
    await standby.close();
  }
});

/** Everything committed by now is in Kafka, what a restarted relay sends again included. */
async function relayed(): Promise<void> {
  const [written] = await asApplication<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  await waitFor(
    'the relay',
    async () => {
      const at = `select from pg_replication_slots where confirmed_flush_lsn >= '${written?.lsn}'`;
      return (await asApplication(at)).length > 0;
    },
    { describe: () => live.relay.status() },
  );
}

/** Summed over the partitions: what is committed, and where the partitions end. */
async function offsets(): Promise<{ committed: number; ends: number }> {
  const admin = new Kafka({ brokers: [...live.kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const { topic } = live.stream;
    const groupId = topicNames(live.kafka.topicPrefix, 'durable').group;
    const found = await admin.fetchOffsets({ groupId, topics: [topic] });
    const committed = (found[0]?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    const ends = (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
    return { committed, ends };
  } finally {
    await admin.disconnect();
  }
}
