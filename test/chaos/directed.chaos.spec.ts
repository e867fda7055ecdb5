import { afterEach, describe, expect, it } from 'vitest';
import { oldApplication } from '../support/old-application.js';
import { slowStandby } from '../support/slow-standby.js';
import { usePostgres, waitFor } from '../support/stack.js';
import {
  acknowledged,
  bridged,
  broken,
  directedRun,
  lookOn,
  pastTheBridge,
  settled,
  withoutValue,
  type DirectedRun,
} from './directed-run.js';
import { auditSettings } from './record/audit.js';
import { quietKafka } from './record/topic-readers.js';

/*
 * Schedules written by hand, each around one protection. A right build breaks no invariant under any of them; a build without the protection
 * (test/mutants/chaos-*.patch) is caught by the checker, not by an assertion about the schedule.
 */

const cluster = usePostgres({ settings: { ...auditSettings, max_connections: '200' } });
let directed: DirectedRun | undefined;
afterEach(async () => {
  await directed?.close();
  directed = undefined;
});
const begin = async (name: string, options?: Parameters<typeof directedRun>[2]): Promise<DirectedRun> => {
  directed = await directedRun(await cluster.freshDatabase(name.replaceAll('-', '_')), name, options);
  return directed;
};

describe('the checker beside a run', { timeout: 300_000 }, () => {
  it('has nothing against a whole run with the old application writing', async () => {
    const it_ = await begin('whole');
    const { run } = it_;
    const application = oldApplication(await run.client('application'));
    await bridged(it_);
    const generation = await run.ready();
    expect((await run.cutover(generation)).status).toBe('succeeded');
    await application.stop();
    const verdicts = await it_.judge(
      Object.fromEntries(application.failed.map((error) => [String((error as { code?: string }).code), 1])),
    );
    expect(broken(verdicts)).toEqual([]);
    // a run in which nothing could have gone wrong proves nothing
    const judged = Object.fromEntries(verdicts.map((one) => [one.invariant, one.judged]));
    for (const invariant of ['I1', 'I2', 'I3', 'I4', 'I6', 'I11', 'I15', 'I16', 'I19', 'I21'])
      expect([invariant, (judged[invariant] ?? 0) > 0]).toEqual([invariant, true]);
  });

  it('F78 hints of rows that have their value, ten times more', async () => {
    const it_ = await begin('repeated');
    await bridged(it_);
    const client = await pastTheBridge(it_);
    await client.query(withoutValue(20));
    await waitFor('the hints to be read', () => it_.recording.rawHints().length >= 20);
    await settled(it_);
    const { partition } = it_.recording.rawHints()[0] ?? { partition: 0 };
    const producer = quietKafka(it_.kafka).producer({ createPartitioner: () => () => partition });
    await producer.connect();
    const messages = Array.from({ length: 10 }, () => it_.recording.rawHints().slice(0, 20)).flat();
    await producer.send({ topic: it_.hintsTopic, messages: messages.map(({ value }) => ({ value })) });
    await producer.disconnect();
    await settled(it_);
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('F09 hints that cannot have their effect yet: halted', async () => {
    const it_ = await begin('halted');
    await bridged(it_);
    const client = await pastTheBridge(it_);
    const acknowledgedAt = await acknowledged(it_, 'halt');
    await client.query(withoutValue(50));
    await waitFor('the hints to be read', () => it_.recording.rawHints().length >= 50);
    await lookOn(1_500);
    it_.recording.stopped({ verb: 'halt', acknowledgedAt, endedAt: Date.now() });
    await acknowledged(it_, 'resume');
    await settled(it_);
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('many rows of one transaction, which share one position', async () => {
    const it_ = await begin('one-position');
    await bridged(it_);
    const client = await pastTheBridge(it_);
    await acknowledged(it_, 'pause'); // no tail pass does live fill's work
    await client.query(withoutValue(200));
    await client.query(withoutValue(1));
    await waitFor('the hints to be read', () => it_.recording.rawHints().length > 1);
    await settled(it_);
    await acknowledged(it_, 'resume');
    await it_.run.ready();
    await lookOn(1_000); // the last acknowledgement is seen
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('nobody reads the hints, and everything else is ready', async () => {
    const it_ = await begin('unread', { roles: ['control', 'relay', 'sweeper'] });
    await bridged(it_);
    const waiting = new Set(['StreamCaughtUp', 'Verified']); // what is verified is verified behind a fence
    await waitFor(
      'only the stream to be missing, or nothing',
      async () => (await it_.unmet()).every((type) => waiting.has(type)),
      { timeoutMs: 60_000, describe: () => it_.unmet() },
    );
    for (const end = Date.now() + 6_000; Date.now() < end && (await it_.unmet()).length > 0;) await lookOn(200);
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('F42 a row without value is committed while the guard waits for its lock', async () => {
    const it_ = await begin('behind-the-lock');
    const { run } = it_;
    await bridged(it_);
    const writer = await pastTheBridge(it_);
    const generation = await run.ready();
    const cutover = run.cutover(generation);
    cutover.catch(() => undefined); // awaited below, unless the wait before it fails
    const queued = async () =>
      (
        await run.prepared.admin.query(
          `select from pg_locks l join pg_stat_activity a using (pid) where not l.granted and l.mode = 'AccessExclusiveLock' and a.application_name like 'highwater/%'`,
        )
      ).rowCount === 1;
    // a transaction that is older than a quarter of the lock budget is waited for before anything is asked: one young one after the other
    await waitFor(
      'the guard to queue',
      async () => {
        await writer.query('begin');
        await writer.query(withoutValue(1));
        for (const end = performance.now() + 150; performance.now() < end;) if (await queued()) return true;
        await writer.query('rollback');
        return false;
      },
      { timeoutMs: 60_000, everyMs: 1 },
    );
    await writer.query('commit');
    await cutover;
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('a statement of the bridge cannot be counted, and the hint behind it is stored already', async () => {
    const it_ = await begin('uncounted');
    await bridged(it_);
    const { run } = it_;
    const { admin } = run.prepared;
    const application = await run.client('application');
    const client = await pastTheBridge(it_);
    const holder = await run.client('application by hand');
    await holder.query('begin');
    await holder.query('lock table highwater.bridge_use in exclusive mode');
    await application.query(withoutValue(1)); // served by the bridge
    // past it: hints, again and again, for the relay gives up counting now and then and begins anew
    for (let n = 0; n < 20; n += 1) {
      await client.query(withoutValue(1));
      await lookOn(300);
    }
    await waitFor('the hints to be read', () => it_.recording.rawHints().length > 0, { timeoutMs: 60_000 });
    await holder.query('commit');
    // whether it ever is, is for the checker to say
    const counted = async (): Promise<boolean> =>
      (await admin.query(`select from highwater.bridge_use`)).rowCount === 1;
    for (const end = Date.now() + 20_000; Date.now() < end && !(await counted());) await lookOn(100);
    await settled(it_);
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('trap 1: commits are decoded long before they can be seen', async () => {
    const it_ = await begin('unseen');
    await bridged(it_);
    const client = await pastTheBridge(it_);
    await acknowledged(it_, 'pause'); // no tail pass does live fill's work
    const standby = await slowStandby(cluster.server().superuserUrl);
    try {
      standby.confirmAfter(60);
      for (let n = 0; n < 20; n += 1) await client.query(withoutValue(1));
    } finally {
      await standby.close();
    }
    await waitFor('the hints to be read', () => it_.recording.rawHints().length >= 20);
    await settled(it_);
    await lookOn(500);
    expect(broken(await it_.judge())).toEqual([]);
  });

  it('F100 halted while a fill is under way', async () => {
    const it_ = await begin('under-way');
    await bridged(it_);
    const client = await pastTheBridge(it_);
    const { admin } = it_.run.prepared;
    await admin.query(
      `create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(0.15); return new; end $$;
       create trigger dawdle before update on "Activity" for each row execute function dawdle()`,
    );
    for (let round = 0; round < 5; round += 1) {
      await client.query(withoutValue(1));
      await waitFor(
        'a fill to be under way',
        async () =>
          (
            await admin.query(
              `select from pg_stat_activity where application_name like 'highwater/%/fill' and wait_event = 'PgSleep'`,
            )
          ).rowCount === 1,
        { everyMs: 2 },
      );
      const acknowledgedAt = await acknowledged(it_, 'halt');
      await lookOn(400);
      it_.recording.stopped({ verb: 'halt', acknowledgedAt, endedAt: Date.now() });
      await acknowledged(it_, 'resume');
      await settled(it_);
    }
    await admin.query(`drop trigger dawdle on "Activity"`);
    await waitFor(
      'the tail pass to fill what live fill gave up',
      async () => (await admin.query(`select from "Activity" where "workspaceId" is null`)).rowCount === 0,
      { timeoutMs: 60_000, everyMs: 100 },
    );
    expect(broken(await it_.judge())).toEqual([]);
  });
});
