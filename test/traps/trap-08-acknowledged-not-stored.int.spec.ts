import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { lsn, type Lsn } from '@highwater/kernel';
import { SlotReader, slotFacts, type ReplicationMessage } from '@highwater/target-db';
import { liveFill, refuseHints, storeHintsAgain, type Live } from '../support/live.js';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { unique, usePostgres, waitFor } from '../support/stack.js';
import { streaming } from '../support/stream.js';

/*
 * Trap 8: the replication client acknowledges what was not stored. The library does so on a timer, with what it received, and one byte
 * too far. Here the slot is read by an obvious client, then by relay and filler of ours, sweep off, while the relay is cut off again and again.
 */
const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id bigint primary key, grp int references grp, org text);
insert into grp select g, 'o' || g from generate_series(1, 9) g`;
const plan = `
highwater: 1
migration: stored
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;

let p: Prepared;
let live: Live | undefined;
const sessions: pg.Client[] = [];
beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
});
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end();
  await live?.close();
  live = undefined;
  await p.admin.query('truncate act');
});
afterAll(() => p.close());

async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}
const oracle = async (): Promise<{ rows: number; nulls: number; wrong: number }> =>
  (
    await p.admin.query<{ rows: number; nulls: number; wrong: number }>(
      `select count(*)::int as rows, count(*) filter (where org is null)::int as nulls,
              count(*) filter (where org is distinct from 'o' || grp)::int as wrong from act`,
    )
  ).rows[0] as { rows: number; nulls: number; wrong: number };

/** A slot of its own, read, acknowledged by `acknowledge`, left, and read again: what comes the second time. */
async function readTwice(
  write: () => Promise<unknown>,
  acknowledge: (commits: readonly Lsn[]) => Lsn,
): Promise<{ adjacent: boolean; again: (string | null | undefined)[] }> {
  const name = `obvious_${unique()}`;
  await p.admin.query(`create publication ${name} for table act with (publish = 'insert')`);
  await p.admin.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  let acknowledged = lsn(0n);
  const read = (messages: ReplicationMessage[]) => {
    const reader = new SlotReader(p.database.settings, name, name, {
      onServer: () => undefined,
      onStreaming: () => undefined,
      onMessage: (message) => messages.push(message),
      onKeepalive: () => undefined,
      acknowledged: () => acknowledged,
    });
    const ended = reader.run();
    return {
      reader,
      async leave() {
        await reader.close();
        await ended;
        await waitFor('the slot to be free', async () => !(await slotFacts(p.database.state, name)).active);
      },
    };
  };
  const messages: ReplicationMessage[] = [];
  const first = read(messages);
  await write();
  const commits = (): Lsn[] => messages.flatMap((found) => (found.kind === 'commit' ? [found.endLsn] : []));
  await waitFor('both commits', () => commits().length === 2);
  const second = messages.filter((found) => found.kind === 'begin')[1];
  const adjacent = second?.kind === 'begin' && second.commitLsn === commits()[0];
  acknowledged = acknowledge(commits());
  first.reader.report();
  const confirmed = async (): Promise<boolean> =>
    ((await slotFacts(p.database.state, name)).confirmedFlushLsn ?? 0n) >= acknowledged;
  await waitFor('the confirmation', confirmed);
  await first.leave();

  const later: ReplicationMessage[] = [];
  const next = read(later);
  await p.admin.query('insert into act (id, grp) values ($1, 1)', [-1]);
  const keys = (): (string | null | undefined)[] =>
    later.flatMap((found) => (found.kind === 'insert' ? [found.values['id']] : []));
  await waitFor('what comes after it', () => keys().includes('-1'), { describe: keys });
  await next.leave();
  await p.admin.query(`select pg_drop_replication_slot($1)`, [name]);
  await p.admin.query(`drop publication ${name}; delete from act`);
  return { adjacent, again: keys().filter((key) => key !== '-1') };
}

/** Two commits as close as they can be: nothing else is written between their records. Tried until they are. */
async function twoAdjacent(acknowledge: (commits: readonly Lsn[]) => Lsn): Promise<number> {
  const [a, b] = [await session(), await session()];
  for (let round = 0; round < 20; round += 1) {
    const { adjacent, again } = await readTwice(async () => {
      await a.query('begin; insert into act (id, grp) values (1, 1)');
      await b.query('begin; insert into act (id, grp) values (2, 2)');
      await Promise.all([a.query('commit'), b.query('commit')]);
    }, acknowledge);
    if (adjacent) return again.length;
  }
  throw new Error('twenty pairs of commits, and none adjacent');
}
const firstOf = (commits: readonly Lsn[]): Lsn => commits[0] ?? lsn(0n);

it('the trap is real: an acknowledgement one byte too far skips the next commit, one of what was received loses it', async () => {
  expect(await twoAdjacent((commits) => lsn(firstOf(commits) + 1n))).toBe(0);
  const received = await readTwice(
    () => p.admin.query('insert into act (id, grp) values (1, 1)').then(() => p.admin.query('insert into act (id, grp) values (2, 2)')), // prettier-ignore
    (commits) => commits[1] ?? lsn(0n), // received, stored nowhere, and then the client died
  );
  expect(received.again).toEqual([]);
});

it('the exact end of the first commit gives the second one again', async () => {
  expect(await twoAdjacent(firstOf)).toBe(1);
});

it('what Kafka did not store is not acknowledged: it comes again after the relay was cut off', async () => {
  live = await liveFill(p);
  const { relay, stream } = live;
  await refuseHints(live);
  const before = (await slotFacts(p.database.state, stream.slot)).confirmedFlushLsn ?? 0n;
  await p.admin.query('insert into act (id, grp) select g, 1 + g % 9 from generate_series(1, 300) g');
  await waitFor('the refusal', () => relay.status().reason?.includes('hints to'), { describe: () => relay.status() });
  await p.admin.query(`insert into act (id, grp) values (301, 1)`);
  const { rows } = await p.admin.query<{ ahead: boolean }>(
    `select confirmed_flush_lsn >= (select pg_current_wal_lsn()) as ahead from pg_replication_slots where slot_name = $1`,
    [stream.slot],
  );
  expect(rows).toEqual([{ ahead: false }]);
  expect(((await slotFacts(p.database.state, stream.slot)).confirmedFlushLsn ?? 0n) >= before).toBe(true);
  await storeHintsAgain(live);
  await waitFor('every row', async () => (await oracle()).nulls === 0, { describe: () => relay.status() });
  expect(await oracle()).toEqual({ rows: 301, nulls: 0, wrong: 0 });
});

it('loses no row of adjacent commits and COPY while the relay is cut off again and again', async () => {
  live = await liveFill(p);
  const { relay, stream } = live;
  const writers = await Promise.all([0, 1, 2, 3].map(() => session()));
  let [next, writing, cuts] = [0, true, 0];
  /** Single inserts of a round: without a bound four writers outrun any relay that is cut off all the time. */
  const perRound = 400;
  let allowed = perRound;
  const write = async (writer: pg.Client, w: number): Promise<void> => {
    for (let n = 1; writing; n += 1) {
      if (next >= allowed) {
        await waitFor('the next round', () => !writing || next < allowed, { timeoutMs: 280_000 });
        continue;
      }
      if (w === 0 && n % 40 === 0) {
        const from = 1_000_000 + n * 2_000;
        // one transaction whose rows share one LSN
        await writer.query(
          `copy act (id, grp) from program 'seq ${from} ${from + 1_999} | awk ''{ print $1 "\\t" 1 + $1 % 9 }'''`,
        );
      } else await writer.query('insert into act (id, grp) values ($1, $2)', [(next += 1), 1 + (next % 9)]);
    }
  };
  const writes = Promise.all(writers.map(write));
  writes.catch(() => undefined); // awaited below
  /** Who reads the slot for the relay; undefined while nobody does. */
  const reading = async (): Promise<number | undefined> => {
    const { rows } = await p.admin.query<{ pid: number | null }>(
      `select active_pid as pid from pg_replication_slots where slot_name = $1`,
      [stream.slot],
    );
    return rows[0]?.pid ?? undefined;
  };
  for (; cuts < 6; cuts += 1) {
    const { hintsSent, ackedLsn } = relay.status();
    await waitFor('more hints', () => relay.status().hintsSent > hintsSent + 200, { describe: () => relay.status() });
    // every other time behind an acknowledgement; else in the middle of what it sends again, with ever longer pauses
    if (cuts % 2 === 1)
      await waitFor('an acknowledgement', () => relay.status().ackedLsn !== ackedLsn, {
        describe: () => relay.status(),
      });
    // no chance to say good-bye: what was received and not acknowledged comes again
    const pid = await waitFor('the relay to read its slot', reading);
    await p.admin.query(`select pg_terminate_backend($1)`, [pid]);
    await waitFor('the relay to read it again', async () => ![undefined, pid].includes(await reading()), {
      describe: () => relay.status(),
    });
    await streaming(relay);
    allowed += perRound;
  }
  writing = false;
  await writes;
  const end = await waitFor(
    'every row',
    async () => {
      const now = await oracle();
      return now.nulls === 0 && now;
    },
    { describe: async () => [await oracle(), relay.status(), live?.filler.status()] },
  );
  console.log(`relay cut off ${cuts} times: ${end.rows} rows inserted, ${relay.status().hintsSent} hints sent, 0 lost`);
  expect(end).toMatchObject({ nulls: 0, wrong: 0 });
  expect(end.rows).toBeGreaterThan(next);
  expect(live.broken).toEqual([]);
});
