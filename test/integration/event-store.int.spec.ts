import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventStore, NewEvent } from '@highwater/event-store';
import { CommandRunner, openEventStore } from '@highwater/event-store';
import type { MigrationCommand } from '@highwater/migration';
import { command, migrationDecider, parseMigrationEvent } from '@highwater/migration';
import { appendToStream } from '../../libs/event-store/src/sql/append-to-stream.sql.js';
import { sample, stateIn } from '../../libs/migration/src/samples.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function client(url: string): Promise<pg.Client> {
  const connected = new pg.Client({ connectionString: url });
  connected.on('error', () => undefined);
  await connected.connect();
  closers.push(() => connected.end());
  return connected;
}

async function installed(): Promise<{ url: string; admin: pg.Client; store: EventStore }> {
  const url = await postgres.freshDatabase('events');
  const admin = await client(url);
  await admin.query(await readFile(new URL('../../libs/target-db/sql/0001_highwater.sql', import.meta.url), 'utf8'));
  return { url, admin, store: await open(url) };
}

async function open(url: string, applicationName = 'highwater/test/state'): Promise<EventStore> {
  const store = await openEventStore({ url, applicationName });
  closers.push(() => store.close());
  return store;
}

const fact = (type: string): NewEvent => ({
  type,
  at: '2026-09-05T10:00:00.123Z',
  metadata: { actor: 'ada' },
  data: { note: `it's "${type}" {with} \\ signs` },
});

describe('event store', () => {
  it('appends behind the expected version and reads back what was appended', async () => {
    const { store } = await installed();
    expect(await store.append('m', 0, [fact('A'), fact('B')])).toEqual({ version: 2, repeated: false });
    expect(await store.append('m', 2, [fact('C')])).toEqual({ version: 3, repeated: false });
    expect(await store.read('m')).toEqual(
      ['A', 'B', 'C'].map((type, index) => ({
        stream: 'm',
        version: index + 1,
        position: BigInt(index + 1),
        ...fact(type),
      })),
    );
    expect((await store.read('m', 2)).map((event) => event.type)).toEqual(['C']);
    expect(await store.read('another')).toEqual([]);
  });

  it('refuses another version than the expected one, behind and ahead, and writes nothing', async () => {
    const { store } = await installed();
    await store.append('m', 0, [fact('A')]);
    const message = 'append to stream "m" found another version than';
    await expect(store.append('m', 0, [fact('B')])).rejects.toMatchObject({
      code: 'HW6001',
      message: expect.stringContaining(message),
    });
    await expect(store.append('m', 5, [fact('B')])).rejects.toMatchObject({ code: 'HW6001' });
    expect(await store.head()).toBe(1n);
  });

  // 1. X takes the head row and position 1, and does not commit. 2. Y appends: it waits. 3. A reader sees nothing, so it cannot step over X.
  // 4. X commits, Y gets position 2. With identity columns Y would have been visible first, and a reader past it would never see X.
  it('gives positions in commit order beside a slow appender', async () => {
    const { store, url, admin } = await installed();
    const slow = await client(url);
    const first = appendToStream('slow', 0, [fact('Slow')], undefined);
    await slow.query('begin');
    await slow.query(first.text, first.values);
    const second = store.append('fast', 0, [fact('Fast')]);
    await waitFor('the second appender to wait for the head row', async () => {
      const { rows } = await admin.query(
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%event_head%'`,
      );
      return rows.length > 0;
    });
    expect(await store.readAll(0n, 10)).toEqual([]);
    await slow.query('commit');
    await second;
    expect((await store.readAll(0n, 10)).map(({ stream, position }) => [stream, position])).toEqual([
      ['slow', 1n],
      ['fast', 2n],
    ]);
  });

  it('gives a position back when the appender rolls back', async () => {
    const { store, url } = await installed();
    const undone = await client(url);
    const { text, values } = appendToStream('m', 0, [fact('A')], undefined);
    await undone.query('begin');
    await undone.query(text, values);
    await undone.query('rollback');
    await store.append('m', 0, [fact('B')]);
    expect((await store.readAll(0n, 10)).map((event) => event.position)).toEqual([1n]);
  });

  it('lets one of many writers of a stream win each version', async () => {
    const { store } = await installed();
    const tries = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => store.append('m', 0, [fact(`W${index}`)])),
    );
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    for (const one of tries)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'HW6001', retry: 'backoff' });
    expect(await store.head()).toBe(1n);
  });

  it.each([
    ['update', `update highwater.event set type = 'X'`],
    ['delete', 'delete from highwater.event'],
    ['truncate', 'truncate highwater.event'],
    [
      'an update by a session that skips ordinary triggers',
      `set session_replication_role = replica; update highwater.event set type = 'X'`,
    ],
  ])('the database refuses %s', async (_name, statement) => {
    const { store, admin } = await installed();
    await store.append('m', 0, [fact('A')]);
    await expect(admin.query(statement)).rejects.toMatchObject({
      code: 'HW601',
      message: expect.stringContaining('append-only'),
    });
    expect((await store.read('m'))[0]?.type).toBe('A');
  });

  it('accepts a command id once, and refuses it for another request', async () => {
    const { store } = await installed();
    const key = { commandId: 'key-1', requestHash: 'h1' };
    expect(await store.append('m', 0, [fact('A')], key)).toEqual({ version: 1, repeated: false });
    expect(await store.append('m', 1, [fact('A')], key)).toEqual({ version: 1, repeated: true });
    await expect(store.append('m', 1, [fact('B')], { ...key, requestHash: 'h2' })).rejects.toMatchObject({
      code: 'HW6002',
      message: expect.stringContaining('key-1'),
    });
    expect(await store.head()).toBe(1n);
  });

  it('accepts a command id once when it comes twice at the same time', async () => {
    const { store } = await installed();
    const key = { commandId: 'key-1', requestHash: 'h1' };
    const results = await Promise.all([0, 1, 2, 3].map(() => store.append('m', 0, [fact('A')], key)));
    expect(results.filter((result) => !result.repeated)).toHaveLength(1);
    expect(results.map((result) => result.version)).toEqual([1, 1, 1, 1]);
    expect(await store.head()).toBe(1n);
  });

  it('names a gap in a stream and in the log', async () => {
    const { store, admin } = await installed();
    await store.append('m', 0, [fact('A'), fact('B'), fact('C')]);
    await admin.query(`alter table highwater.event disable trigger all; delete from highwater.event where version = 2`);
    const gap = { code: 'HW6004', retry: 'never' };
    await expect(store.read('m')).rejects.toMatchObject({
      ...gap,
      message: expect.stringContaining('version of stream "m" 2 is missing'),
    });
    await expect(store.readAll(0n, 10)).rejects.toMatchObject({
      ...gap,
      message: expect.stringContaining('position 2 is missing'),
    });
  });

  it('keeps a checkpoint that never goes back', async () => {
    const { store } = await installed();
    const checkpoint = store.checkpoint('publisher');
    expect(await checkpoint.load()).toBe(0n);
    await checkpoint.save(7n);
    await checkpoint.save(3n);
    expect(await checkpoint.load()).toBe(7n);
  });

  it('says what is wrong with the server, without credentials or values', async () => {
    const { url, admin, store } = await installed();
    const wrong = new URL(url);
    wrong.port = '1';
    wrong.password = 'CANARY_secret';
    const unreachable = await openEventStore({ url: wrong.href, applicationName: 't' }).catch(
      (error: unknown) => error,
    );
    expect(unreachable).toMatchObject({ code: 'HW6003', retry: 'backoff' });
    expect(JSON.stringify([unreachable, String(unreachable)])).not.toContain('CANARY');
    await admin.query('drop schema highwater cascade');
    await expect(store.read('m')).rejects.toMatchObject({
      code: 'HW6006',
      help: expect.stringContaining('highwater init'),
    });
    const elsewhere = openEventStore({ url: 'postgres://u:p@db.example/x', tls: 'disable', applicationName: 't' });
    await expect(elsewhere).rejects.toMatchObject({ code: 'HW6007' });
  });

  it('survives the end of its sessions, and reports an append under way as unknown', async () => {
    const { store, url, admin } = await installed();
    const holder = await client(url);
    await holder.query('begin');
    await holder.query('update highwater.event_head set position = position');
    const append = store.append('m', 0, [fact('A')]).catch((error: unknown) => error);
    await waitFor('the append to wait and be terminated', async () => {
      const { rows } = await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'highwater/test/state' and wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });
    expect(await append).toMatchObject({ code: 'HW6005', retry: 'reconcile' });
    await holder.query('rollback');
    // The pool may lend the dying connection once more before it hears of its end.
    await waitFor('a living session', async () => (await store.read('m')).length === 0);
    expect(await store.append('m', 0, [fact('A')])).toEqual({ version: 1, repeated: false });
  });
});

describe('command runner on migrations', () => {
  const runnerOf = (store: EventStore) =>
    new CommandRunner(store, migrationDecider, parseMigrationEvent, { pauseMs: 10 });
  const plan: MigrationCommand = sample('Plan', stateIn('none'));
  const by = { at: '2026-09-05T10:00:00.000Z', metadata: { actor: 'ada' } };

  it('decides once beside other writers, repeats silently and replays to the same state', async () => {
    const { store } = await installed();
    const runner = runnerOf(store);
    const ran = await Promise.all([1, 2, 3, 4].map(() => runner.run('m', plan)));
    expect(ran.every((one) => one.accepted)).toBe(true);
    expect((await store.read('m')).map((event) => event.type)).toEqual(['Planned']);
    const paused = await Promise.all(
      [1, 2].map((n) => runner.run('m', command(n === 1 ? 'Pause' : 'Hold', { reason: 'x' }, by))),
    );
    expect(paused.map((one) => one.accepted && one.events.length)).toEqual([1, 1]);
    const { state, version } = await runner.state('m');
    expect(version).toBe(3);
    expect(state).toMatchObject({ phase: 'planned', pause: 'paused', held: { actor: 'ada' } });
  });

  it('reads only what is new, however long a stream gets, and all of it again when its end was lost with a server', async () => {
    const { store, admin } = await installed();
    const asked: number[] = [];
    const watched: EventStore = Object.assign(Object.create(store) as EventStore, {
      read: (stream: string, after = 0) => {
        asked.push(after);
        return store.read(stream, after);
      },
    });
    const runner = runnerOf(watched);
    await runner.run('m', plan);
    for (let n = 0; n < 5; n += 1)
      for (const verb of ['Hold', 'Release'] as const)
        expect(await runner.run('m', command(verb, { reason: 'x' }, by))).toMatchObject({ accepted: true });
    expect(await runner.state('m')).toMatchObject({ version: 11, state: { held: null } });
    expect(asked.slice(-3)).toEqual([7, 8, 9]);
    // after a failover to a server that had not got the end of the log
    await admin.query(`alter table highwater.event disable trigger user; delete from highwater.event where version > 8;
      alter table highwater.event enable trigger user; update highwater.event_head set position = 8`);
    expect(await runner.state('m')).toMatchObject({ version: 8, state: { held: { actor: 'ada' } } });
    await runner.run('m', command('Release', { reason: 'x' }, by));
    expect(await runner.state('m')).toEqual(await runnerOf(store).state('m'));
  });

  it('returns a refusal, and does not keep it under the command id', async () => {
    const { store } = await installed();
    const runner = runnerOf(store);
    const key = { commandId: 'k', requestHash: 'h' };
    const pause = command('Pause', { reason: 'x' }, by);
    expect(await runner.run('m', pause, key)).toMatchObject({ accepted: false, refusal: { refused: 'Unplanned' } });
    await runner.run('m', plan);
    expect(await runner.run('m', pause, key)).toMatchObject({ accepted: true, repeated: false, version: 2 });
    expect(await runner.run('m', command('Resume', { reason: 'y' }, by))).toMatchObject({ accepted: true });
    expect(await runner.run('m', pause, key)).toMatchObject({ accepted: true, repeated: true, events: [], version: 3 });
    expect((await store.read('m')).map((event) => event.type)).toEqual(['Planned', 'Paused', 'Resumed']);
  });

  it('decides again on what was stored after a lost connection', async () => {
    const { store, url, admin } = await installed();
    const holder = await client(url);
    await holder.query('begin');
    await holder.query('update highwater.event_head set position = position');
    const run = runnerOf(store).run('m', plan);
    await waitFor('the append to wait and be terminated', async () => {
      const { rows } = await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'highwater/test/state' and wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });
    await holder.query('rollback');
    expect(await run).toMatchObject({ accepted: true, version: 1 });
  });
});
