import { afterEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { formatLsn, lsn, parseLsn, type Lsn } from '@highwater/kernel';
import { slotFacts, SlotReader, type ReplicationMessage } from '@highwater/target-db';
import { refuseHints, storeHintsAgain } from '../support/live.js';
import { collectHints, openStream, streaming, type Collected, type OpenStream } from '../support/stream.js';
import { usePostgres, waitFor } from '../support/stack.js';

const { server } = usePostgres({ major: 15 });

let open: OpenStream | undefined;
let collected: Collected | undefined;
afterEach(async () => {
  await collected?.stop();
  await open?.close();
  collected = open = undefined;
});

const insert = (stream: OpenStream, from: number, to: number): Promise<unknown> =>
  stream.app.query(`insert into app."Activity" (id) select 'a' || n from generate_series($1::int, $2::int) n`, [
    from,
    to,
  ]);
const ids = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => `a${from + i}`);

async function writer(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

describe('relay', () => {
  it('turns inserts with a NULL target into hints, and acknowledges exactly what is stored', async () => {
    open = await openStream(server(), 'hints');
    collected = await collectHints(open.kafka, open.stream);
    const relay = open.relay();
    await relay.start();
    await streaming(relay);
    await open.app.query(`insert into app."Activity" (id, "workspaceId") values ('has one', 'w')`);
    await insert(open, 1, 3);
    await open.app.query(`update app."Activity" set note = 'changed'`);
    const { rows } = await open.app.query<{ xid: string }>(
      `insert into app."Activity" (id) values ('last') returning pg_current_xact_id()::text as xid`,
    );
    const all = collected;
    await waitFor('four hints', () => all.hints.length >= 4, { describe: () => all.hints });
    expect(all.keys().sort()).toEqual(['a1', 'a2', 'a3', 'last']);
    const last = all.hints.find(({ hint }) => hint.kind === 'row' && hint.key[0] === 'last')?.hint;
    expect(last).toMatchObject({
      v: 1,
      migration: open.migrationId,
      epoch: 1,
      table: ['app', 'Activity'],
      xid: rows[0]?.xid,
    });
    const { rows: now } = await open.app.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    const { database, stream } = open;
    await waitFor(
      'the slot to confirm',
      async () =>
        ((await slotFacts(database.state, stream.slot)).confirmedFlushLsn ?? 0n) >= parseLsn(now[0]?.lsn ?? ''),
      {
        describe: () => relay.status(),
      },
    );
    expect(relay.status()).toMatchObject({ state: 'streaming', inFlightBytes: 0, hintsSent: 4 });
  });

  it('skips none of adjacent commits when it is stopped and started between them', async () => {
    open = await openStream(server(), 'adjacent');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    const writers = await Promise.all(
      [0, 1, 2, 3].map(async () => {
        const client = new pg.Client({ connectionString: open?.appUrl });
        await client.connect();
        return client;
      }),
    );
    let next = 0;
    let writing = true;
    const writes = writers.map(async (client) => {
      while (writing) await client.query(`insert into app."Activity" (id) values ($1)`, [`a${(next += 1)}`]);
    });
    for (let round = 0; round < 4; round += 1) {
      const relay = open.relay();
      await relay.start();
      await streaming(relay);
      const before = relay.status().ackedLsn;
      await waitFor('some progress', () => relay.status().ackedLsn !== before, { describe: () => relay.status() });
      await relay.stop();
    }
    writing = false;
    await Promise.all(writes);
    await Promise.all(writers.map((client) => client.end()));
    await open.relay().start();
    const expected = ids(1, next).sort();
    await waitFor('every key', () => new Set(all.keys()).size === next, {
      everyMs: 250, // as many as four writers could write meanwhile
      describe: () => new Set(all.keys()).size,
    });
    expect([...new Set(all.keys())].sort()).toEqual(expected);
  });

  it('sends every row of a COPY of 12,000, which share one LSN', async () => {
    open = await openStream(server(), 'copy');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    await open.relay().start();
    await open.app.query(`copy app."Activity" (id) from program 'seq -f a%g 1 12000'`);
    await waitFor('12,000 hints', () => new Set(all.keys()).size === 12_000, { describe: () => all.hints.length });
    expect(new Set(all.hints.map(({ hint }) => hint.lsn)).size).toBe(1);
  });

  it('copies a fence into every partition, behind every hint of earlier commits', async () => {
    open = await openStream(server(), 'fence');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    const relay = open.relay();
    await relay.start();
    await insert(open, 1, 3_000);
    await open.app.query(`select pg_logical_emit_message(true, 'highwater.fence', $1)`, [
      JSON.stringify({ token: 'f-1', migration: open.migrationId }),
    ]);
    await open.app.query(`select pg_logical_emit_message(true, 'highwater.fence', $1)`, [
      JSON.stringify({ token: 'f-2', migration: 'somebody-else' }),
    ]);
    await insert(open, 3_001, 3_010);
    await waitFor('everything', () => all.hints.length >= 3_012, { describe: () => all.hints.length });
    const fences = all.hints.filter(({ hint }) => hint.kind === 'fence');
    expect(
      fences.map(({ hint, partition }) => [
        hint.kind === 'fence' && hint.token,
        hint.kind === 'fence' && hint.partition === partition,
      ]),
    ).toEqual([
      ['f-1', true],
      ['f-1', true],
    ]);
    for (const partition of [0, 1]) {
      const keys = all.hints.filter((entry) => entry.partition === partition);
      const at = keys.findIndex(({ hint }) => hint.kind === 'fence');
      const later = new Set(ids(3_001, 3_010));
      const behind = keys.slice(at + 1).filter(({ hint }) => hint.kind === 'row' && !later.has(hint.key[0] ?? ''));
      expect(behind).toEqual([]);
    }
  });

  it('counts each bridged statement once, also when it is delivered again', async () => {
    open = await openStream(server(), 'bridge');
    const emit = (outcome: string): Promise<unknown> =>
      open?.app.query(`select pg_logical_emit_message(false, 'highwater.bridge', $1)`, [
        JSON.stringify({ m: open.migrationId, t: 0, a: 'billing', u: 'app', o: outcome }),
      ]) ?? Promise.reject(new Error('closed'));
    for (const outcome of ['resolved', 'resolved', 'left_null']) await emit(outcome);
    await open.app.query(`select pg_logical_emit_message(false, 'highwater.bridge', 'not json')`);
    await insert(open, 1, 1);
    const { database, app } = open;
    // counts, and acknowledges nothing before it dies: what is acknowledged is recorded first
    await app.query('begin; lock table highwater.slot_position in exclusive mode');
    await open.relay().start();
    const counted = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        (
          await database.state.query<{ outcome: string; n: number }>(
            'counting',
            'select outcome, statements::int4 as n from highwater.bridge_use order by 1',
          )
        ).map((row) => [row.outcome, row.n]),
      );
    await waitFor('the count', async () => (await counted())['left_null'] === 1, { describe: counted });
    await app.query(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`, [
      open.stream.slot,
    ]);
    await app.query('commit');
    await emit('resolved');
    await waitFor('the fourth', async () => (await counted())['resolved'] === 3, { describe: counted });
    expect(await counted()).toEqual({ left_null: 1, resolved: 3 });
  });

  it('answers keepalives past wal_sender_timeout, also while it reads nothing', async () => {
    open = await openStream(server(), 'keepalive');
    const { database, stream, app } = open;
    // of this test alone: any other would lose its stream to a machine that stands still for a moment
    const patienceS = 4;
    await app.query(
      `alter role ${new URL(database.settings.urls.stream).username} set wal_sender_timeout = '${patienceS}s'`,
    );
    const reader = new SlotReader(database.settings, stream.slot, stream.publication, {
      onServer: () => undefined,
      onStreaming: () => reader.pause(),
      onMessage: () => undefined,
      onKeepalive: () => undefined,
      acknowledged: () => parseLsn('0/0'),
    });
    const ended = reader.run();
    const pid = await waitFor(
      'the slot in use',
      async () => (await slotFacts(database.state, stream.slot)).activePid ?? undefined,
    );
    const since = Date.now();
    await waitFor('two patiences of the server', () => Date.now() - since > 2_000 * patienceS);
    expect((await slotFacts(database.state, stream.slot)).activePid).toBe(pid);
    await reader.close();
    await ended;
  });

  it('acknowledges nothing while Kafka has not stored it, and never runs ahead', async () => {
    open = await openStream(server(), 'kafka');
    const { database, stream } = open;
    const before = (await slotFacts(database.state, stream.slot)).confirmedFlushLsn ?? 0n;
    const relay = open.relay({ kafka: { ...open.kafka, brokers: ['127.0.0.1:1'] } });
    await relay.start();
    await insert(open, 1, 10);
    await waitFor('a refusal that names the brokers', () => relay.status().reason?.includes('127.0.0.1:1'), {
      describe: () => relay.status(),
    });
    expect(relay.status()).toMatchObject({ state: 'standby', ackedLsn: '0/0' });
    expect((await slotFacts(database.state, stream.slot)).confirmedFlushLsn).toBe(before);
    await relay.stop();
    expect(relay.status().state).toBe('stopped');
  });

  it('acknowledges nothing that Kafka received and refused to store, and sends it when it may', async () => {
    open = await openStream(server(), 'refused');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    const { database, stream, app } = open;
    const relay = open.relay();
    await relay.start();
    await streaming(relay);
    await refuseHints(open);
    await insert(open, 1, 100);
    const { rows } = await app.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    await insert(open, 101, 101);
    await waitFor('the refusal', () => relay.status().reason?.includes('hints to'), { describe: () => relay.status() });
    const confirmed = (await slotFacts(database.state, stream.slot)).confirmedFlushLsn ?? 0n;
    expect(confirmed < parseLsn(rows[0]?.lsn ?? '')).toBe(true);
    expect(all.keys()).toEqual([]);
    await storeHintsAgain(open);
    await waitFor('all of them', () => new Set(all.keys()).size === 101, { describe: () => relay.status() });
  });

  it('a second relay waits as standby and takes over', async () => {
    open = await openStream(server(), 'standby');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    const [first, second] = [open.relay(), open.relay()];
    await first.start();
    await streaming(first);
    await second.start();
    await waitFor('the second to see the slot taken', () => second.status().reason?.includes('another relay'), {
      describe: () => second.status(),
    });
    expect(second.status().state).toBe('standby');
    await insert(open, 1, 2);
    await first.stop();
    await streaming(second);
    await insert(open, 3, 4);
    await waitFor('all keys', () => new Set(all.keys()).size === 4, { describe: all.keys });
  });

  it('keeps its memory bounded in one transaction of 300,000 rows', async () => {
    open = await openStream(server(), 'large');
    const limits = { pauseAboveBytes: 1024 * 1024, resumeBelowBytes: 512 * 1024 };
    const relay = open.relay({ inFlight: limits });
    await relay.start();
    await streaming(relay);
    const done = insert(open, 1, 300_000);
    let worst = 0;
    await waitFor(
      '300,000 hints',
      () => {
        worst = Math.max(worst, relay.status().inFlightBytes);
        return relay.status().hintsSent >= 300_000;
      },
      { everyMs: 1, describe: () => relay.status() },
    );
    await done;
    // what one read of the socket may add after the pause
    expect(worst).toBeLessThan(limits.pauseAboveBytes + 1024 * 1024);
    const { rows } = await open.app.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    await waitFor('the acknowledgement', () => parseLsn(relay.status().ackedLsn) >= parseLsn(rows[0]?.lsn ?? ''), {
      describe: () => [relay.status(), rows],
    });
  });

  it('reads a server that lost its connection again from the confirmed position', async () => {
    open = await openStream(server(), 'reconnect');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    const relay = open.relay();
    await relay.start();
    await streaming(relay);
    await insert(open, 1, 5);
    await open.app.query(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`, [
      open.stream.slot,
    ]);
    await insert(open, 6, 9);
    await waitFor('all keys', () => new Set(all.keys()).size === 9, { describe: () => [all.keys(), relay.status()] });
    expect(open.broken).toEqual([]);
  });

  it('acknowledges what each session stored long before its interval is over: one that is cut off often gets on', async () => {
    open = await openStream(server(), 'cut');
    const { app, stream } = open;
    const relay = open.relay({ checkEveryMs: 3_600_000 });
    await relay.start();
    for (const session of [1, 2, 3]) {
      await insert(open, session, session);
      const { rows } = await app.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
      await waitFor('the acknowledgement', () => parseLsn(relay.status().ackedLsn) >= parseLsn(rows[0]?.lsn ?? ''), {
        describe: () => [session, relay.status()],
      });
      await app.query(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`, [
        stream.slot,
      ]);
    }
  });

  it('begins behind what was recorded, also where the connection was lost before the server was told', async () => {
    open = await openStream(server(), 'untold');
    collected = await collectHints(open.kafka, open.stream);
    const all = collected;
    const { app } = open;
    await app.query('begin');
    await insert(open, 1, 3);
    const { rows } = await app.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    const beforeCommit = rows[0]?.lsn ?? '';
    // whoever records the commit loses its connection in the same moment
    await app.query(`commit; create function public.cut() returns trigger language plpgsql security definer as $$ begin
        perform pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = new.slot; return null; end $$;
      create trigger cut after insert or update on highwater.slot_position for each row
        when (new.acknowledged_lsn > '${beforeCommit}') execute function public.cut()`);
    const relay = open.relay();
    await relay.start();
    await waitFor('the record', () => parseLsn(relay.status().ackedLsn) > parseLsn(beforeCommit), {
      describe: () => relay.status(),
    });
    await app.query('drop trigger cut on highwater.slot_position');
    const sent = relay.status().hintsSent;
    await insert(open, 4, 4);
    await waitFor('the next hint', () => all.keys().includes('a4') && relay.status().hintsSent > sent, {
      describe: () => [all.keys(), relay.status()],
    });
    expect(relay.status().hintsSent).toBe(sent + 1); // none of the first three again
  });

  it('reports a slot that was dropped', async () => {
    open = await openStream(server(), 'dropped');
    await open.app.query(`select pg_drop_replication_slot($1)`, [open.stream.slot]);
    const relay = open.relay();
    await relay.start();
    await waitFor('broken', () => relay.status().state === 'broken', { describe: () => relay.status() });
    expect(open.broken).toMatchObject([{ reason: 'SlotMissing' }]);
  });

  it('reports another server', async () => {
    open = await openStream(server(), 'other');
    const relay = open.relay({ stream: { ...open.stream, systemIdentifier: '1' } });
    await relay.start();
    await waitFor('broken', () => relay.status().state === 'broken', { describe: () => relay.status() });
    expect(open.broken).toMatchObject([{ reason: 'OtherServer' }]);
  });
});

describe('slot reader', () => {
  it('gives the second of two adjacent commits after the first was acknowledged', async () => {
    open = await openStream(server(), 'next');
    const { database, stream, appUrl } = open;
    const [a, b] = await Promise.all([writer(appUrl), writer(appUrl)]);
    let acknowledged = lsn(0n);
    const read = (messages: ReplicationMessage[]): { reader: SlotReader; ended: Promise<void> } => {
      const reader: SlotReader = new SlotReader(database.settings, stream.slot, stream.publication, {
        onServer: () => undefined,
        onStreaming: () => undefined,
        onMessage: (message) => messages.push(message),
        onKeepalive: () => undefined,
        acknowledged: () => acknowledged,
      });
      return { reader, ended: reader.run() };
    };
    const pairs = async (round: number): Promise<boolean> => {
      const messages: ReplicationMessage[] = [];
      const first = read(messages);
      await a.query(`begin; insert into app."Activity" (id) values ('first ${round}')`);
      await b.query(`begin; insert into app."Activity" (id) values ('second ${round}')`);
      await Promise.all([a.query('commit'), b.query('commit')]);
      const commits = (): Lsn[] => messages.flatMap((found) => (found.kind === 'commit' ? [found.endLsn] : []));
      await waitFor('both commits', () => commits().length === 2, { describe: () => messages.length });
      const begin = messages.filter((found) => found.kind === 'begin')[1];
      acknowledged = commits()[0] ?? acknowledged;
      const adjacent = begin?.kind === 'begin' && begin.commitLsn === acknowledged;
      first.reader.report();
      await waitFor(
        'the confirmation',
        async () => ((await slotFacts(database.state, stream.slot)).confirmedFlushLsn ?? 0n) >= acknowledged,
      );
      await first.reader.close();
      await first.ended;
      await waitFor('the slot to be free', async () => !(await slotFacts(database.state, stream.slot)).active);
      const again: ReplicationMessage[] = [];
      const second = read(again);
      await waitFor('the second commit again', () => again.some((found) => found.kind === 'commit'));
      const keys = again.flatMap((found) => (found.kind === 'insert' ? [found.values['id']] : []));
      expect(keys).toHaveLength(1); // the first was acknowledged, the second was not
      const commit = again.find((found) => found.kind === 'commit');
      acknowledged = commit?.kind === 'commit' ? commit.endLsn : acknowledged;
      second.reader.report();
      await waitFor(
        'the confirmation',
        async () => ((await slotFacts(database.state, stream.slot)).confirmedFlushLsn ?? 0n) >= acknowledged,
      );
      await second.reader.close();
      await second.ended;
      await waitFor('the slot to be free', async () => !(await slotFacts(database.state, stream.slot)).active);
      return adjacent;
    };
    let adjacent = 0;
    for (let round = 1; round <= 12 && adjacent < 2; round += 1) if (await pairs(round)) adjacent += 1;
    expect(adjacent).toBe(2);
    await Promise.all([a.end(), b.end()]);
  });

  it('reads keys as the server writes them and xids above 2^31 unsigned; contents of messages are its own copies', async () => {
    open = await openStream(server(), 'reader');
    const { database, stream, app } = open;
    const messages: ReplicationMessage[] = [];
    const reader = new SlotReader(database.settings, stream.slot, stream.publication, {
      onServer: () => undefined,
      onStreaming: () => undefined,
      onMessage: (message) => messages.push(message),
      onKeepalive: () => undefined,
      acknowledged: () => parseLsn('0/0'),
    });
    const ended = reader.run();
    await app.query(`insert into app."Activity" (id) values ('ü''"\\')`);
    await app.query(
      `select pg_logical_emit_message(false, 'highwater.bridge', 'content ' || n) from generate_series(1, 2000) n`,
    );
    await waitFor('all messages', () => messages.filter((found) => found.kind === 'message').length === 2_000);
    const contents = messages.flatMap((found) => (found.kind === 'message' ? [found.content.toString()] : []));
    expect(contents).toEqual(Array.from({ length: 2_000 }, (_, i) => `content ${i + 1}`));
    expect(messages.find((found) => found.kind === 'insert')).toMatchObject({
      schema: 'app',
      table: 'Activity',
      values: { id: `ü'"\\` },
    });
    const commit = messages.find((found) => found.kind === 'commit');
    expect(commit?.kind === 'commit' && formatLsn(commit.endLsn)).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    await reader.close();
    await ended;
  });
});
