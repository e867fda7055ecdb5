import type { Operation } from '@highwater/roles';
import { streamPlan, type Run, startRun } from './engine-run.js';
import { waitFor } from './stack.js';

const by = { actor: { name: 'test', method: 'os' as const } };

/** A whole run whose sweep is paused before it is done: what is filled now is filled by the stream, what it misses stays NULL. */
export interface StreamRun extends Run {
  insert(title: string): Promise<void>;
  isFilled(title: string): Promise<boolean>;
  /** The stream works: a row inserted now is filled. */
  streams(): Promise<void>;
  events(): Promise<{ type: string; data: Record<string, unknown> }[]>;
  /** Waits for the break of that epoch. */
  broken(epoch: number): Promise<{ reason: string; message: string }>;
  /** Waits until that epoch is open and its sweep has begun. */
  rebuilt(epoch: number): Promise<void>;
  condition(type: string): Promise<{ status: string; reason: string; message: string } | undefined>;
  done(operation: Operation): Promise<Operation>;
  finish(): Promise<Operation>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** While it works nobody but superusers gets in as the stream's role, and its connections are ended again and again. */
  withoutRelay(work: () => Promise<void>): Promise<void>;
  /** Waits until every row has its value, by hand. */
  settled(): Promise<void>;
  /** By hand: every row counted, and those that have no value or a wrong one. */
  count(): Promise<{ rows: number; wrong: number }>;
}

export async function startStreamRun(
  url: string,
  name: string,
  options: Omit<NonNullable<Parameters<typeof startRun>[2]>, 'kafka'> & { plan?: string } = {},
): Promise<StreamRun> {
  const run = await startRun(url, options.plan ?? streamPlan(name), {
    log: () => undefined, // a broken stream is an error there, and what is tested here
    ...options,
    kafka: true,
  });
  const { engine, id, prepared } = run;
  const { admin } = prepared;
  const describe = async (): Promise<unknown> => {
    const { phase, epoch, stream, reason } = await engine.control.get(id);
    return { phase, epoch, stream, reason };
  };
  const wait = <T>(what: string, condition: () => Promise<T | undefined | false>): Promise<T> =>
    waitFor(what, condition, { describe });
  let titles = 0;
  const self: StreamRun = {
    ...run,
    async insert(title) {
      await admin.query(`insert into "Activity" ("groupId", title) values ('g1', $1)`, [title]);
    },
    isFilled: async (title) =>
      (await admin.query(`select from "Activity" where title = $1 and "workspaceId" = 'o2'`, [title])).rowCount === 1,
    async streams() {
      const title = `streams ${(titles += 1)}`;
      await self.insert(title);
      await wait(`the stream to fill "${title}"`, () => self.isFilled(title));
    },
    events: async () =>
      (await engine.control.events(id, 0, 500)).map(({ type, data }) => ({
        type,
        data: data as Record<string, unknown>,
      })),
    broken: (epoch) =>
      wait(`the break of epoch ${epoch}`, async () => {
        const found = (await self.events()).find((one) => one.type === 'StreamBroken' && one.data['epoch'] === epoch);
        return found && { reason: String(found.data['reason']), message: String(found.data['message']) };
      }),
    rebuilt: async (epoch) => {
      await wait(`epoch ${epoch} with its sweep`, async () =>
        (await self.events()).some((one) => one.type === 'SweepStarted' && one.data['epoch'] === epoch),
      );
    },
    condition: async (type) => (await engine.control.readiness(id)).conditions.find((one) => one.type === type),
    done: (operation) =>
      wait(`operation ${operation.verb}`, async () => {
        const now = await engine.control.operation(operation.id);
        return now?.status === 'succeeded' || now?.status === 'failed' ? now : undefined;
      }),
    finish: async () => self.done(await engine.control.finish(id, {}, by)),
    pause: async () => void (await self.done(await engine.control.pause(id, by))),
    resume: async () => void (await self.done(await engine.control.resume(id, by))),
    async withoutRelay(work) {
      const role = prepared.roles.stream;
      await admin.query(`alter role ${role} connection limit 0`);
      try {
        await wait('the slot to be free', async () => {
          await admin.query(`select pg_terminate_backend(active_pid) from pg_replication_slots where active`);
          return (await admin.query('select from pg_replication_slots where active')).rowCount === 0;
        });
        await work();
      } finally {
        await admin.query(`alter role ${role} connection limit -1`);
      }
    },
    settled: async () => {
      await waitFor('every row to have its value', async () => (await self.count()).wrong === 0, {
        describe: () => self.count(),
      });
    },
    count: async () =>
      (
        await admin.query<{ rows: number; wrong: number }>(
          `select count(*)::int as rows, count(*) filter (where a."workspaceId" is distinct from g."orgId")::int as wrong
             from "Activity" a join "Group" g on g.id = a."groupId"`,
        )
      ).rows[0] ?? { rows: 0, wrong: -1 },
  };
  return self;
}

/** Paused from the first chunk on, with a stream that was seen to work. */
export async function startPausedStreamRun(...given: Parameters<typeof startStreamRun>): Promise<StreamRun> {
  const run = await startStreamRun(...given);
  await run.pause();
  await run.rebuilt(1);
  await run.streams();
  return run;
}
