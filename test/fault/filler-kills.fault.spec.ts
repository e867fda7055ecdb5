import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Failpoint } from '@highwater/telemetry';
import type { Settings } from '@highwater/roles';
import { streamPlan } from '../support/engine-run.js';
import { startService, type ServiceProcess } from '../support/service-process.js';
import { gone } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { startStreamRun, type StreamRun } from '../support/stream-run.js';

/*
 * The filler is a process of its own and dies at one place of its work. The sweep is paused: a hint that is lost leaves its row NULL. Who wrote
 * which row is noted by a trigger, as the server sees it.
 */
const cluster = usePostgres();
const logFile = join(mkdtempSync(join(tmpdir(), 'highwater-filler-')), 'filler.log');
let run: StreamRun;
let settings: Settings;
let fillers = 0;
const alive = new Set<ServiceProcess>();

const audit = `
create table written (id bigint, by text, overwritten boolean, other_columns boolean);
create function note_write() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into written values (new.id, split_part(current_setting('application_name'), '/', 2), old."workspaceId" is not null,
    (old.id, old."groupId", old.title) is distinct from (new.id, new."groupId", new.title));
  return null;
end $$;
create trigger note_write after update on "Activity" for each row
  when (current_setting('application_name') like 'highwater/%') execute function note_write()`;

beforeAll(async () => {
  run = await startStreamRun(await cluster.freshDatabase(), 'filler-kills', {
    plan: `${streamPlan('filler-kills')}accept: [TriggerOnUpdate]\n`,
    roles: ['control', 'relay', 'sweeper'],
    change: (given) => (settings = given),
    beside: async ({ admin }) => void (await admin.query(audit)),
  });
  await run.pause();
  await run.rebuilt(1);
});
afterEach(async () => {
  for (const filler of alive) await filler.kill('SIGTERM'); // leaves the group and commits its offsets; one that is dead already does nothing
  alive.clear();
});
afterAll(() => run.close());

interface Filler {
  readonly name: string;
  readonly process: ServiceProcess;
}

/** A filler under a name of its own. */
async function startFiller(failpoint?: `${Failpoint}=kill@${number}`): Promise<Filler> {
  const name = `filler-${(fillers += 1)}`;
  const { urls } = settings.database;
  const process = await startService(
    {
      HIGHWATER_ROLES: 'filler',
      HIGHWATER_INSTANCE: name,
      HIGHWATER_STREAM_URL: urls.stream,
      HIGHWATER_FILL_URL: urls.fill,
      HIGHWATER_STATE_URL: urls.state,
      HIGHWATER_DDL_URL: urls.ddl,
      HIGHWATER_KAFKA_BROKERS: settings.kafka?.brokers.join(',') ?? '',
      HIGHWATER_KAFKA_SESSION: '1200ms',
      HIGHWATER_TOPIC_PREFIX: settings.kafka?.topicPrefix ?? '',
      ...(failpoint === undefined ? {} : { HIGHWATER_FAILPOINTS: failpoint }),
    },
    logFile,
  );
  alive.add(process);
  return { name, process };
}

const writtenBy = async (name: string, title: string): Promise<number> =>
  (
    await run.prepared.admin.query<{ n: number }>(
      `select count(*)::int as n from written w join "Activity" a using (id) where w.by = $1 and a.title = $2`,
      [name, title],
    )
  ).rows[0]?.n ?? -1;
const already = async (): Promise<number> => (await run.engine.control.get(run.id)).hints.already;

/** Rows in transactions of their own until the filler is dead; how many there are. */
async function insertUntilGone({ name, process }: Filler, title: string): Promise<number> {
  let dead = false;
  const died = gone(process, 'the filler to die at its failpoint').finally(() => (dead = true));
  let rows = 0;
  for (; !dead || rows < 30; rows += 1) await run.insert(title);
  expect(await died).toBe('SIGKILL');
  // the server carries out what it was sent before it hears that nobody is there any more
  const left = `select from pg_stat_activity where application_name like 'highwater/${name}/%'`;
  await waitFor(`the sessions of ${name} to end`, async () => (await run.prepared.admin.query(left)).rowCount === 0);
  return rows;
}

/** Every row filled, each exactly once, by the dead one or the one after it. */
async function allFilledOnce(title: string, rows: number): Promise<void> {
  const { admin } = run.prepared;
  await waitFor(
    `${rows} rows "${title}" to be filled by the stream`,
    async () =>
      (
        await admin.query<{ n: number }>(
          `select count(*)::int as n from "Activity" where title = $1 and "workspaceId" = 'o2'`,
          [title],
        )
      ).rows[0]?.n === rows,
    { describe: () => logFile },
  );
  expect((await admin.query('select id from written group by id having count(*) > 1')).rows).toEqual([]);
  expect((await admin.query('select id from written where overwritten or other_columns')).rows).toEqual([]);
}

it.each([1, 3])(
  'F06 killed before its fill number %i: the hints come again, and every row is filled once',
  async (hit) => {
    const title = `before fill ${hit}`;
    const first = await startFiller(`filler.beforeFill=kill@${hit}`);
    const rows = await insertUntilGone(first, title);
    const before = await writtenBy(first.name, title);
    if (hit === 1) expect(before).toBe(0);
    const second = await startFiller();
    await allFilledOnce(title, rows);
    expect(await writtenBy(second.name, title)).toBe(rows - before);
  },
);

it.each([1, 3])(
  'F08 killed after the commit of its fill number %i and before its offset: the hints come again, without effect',
  async (hit) => {
    const title = `after commit ${hit}`;
    const [first, counted] = [await startFiller(`filler.afterCommit=kill@${hit}`), await already()];
    const rows = await insertUntilGone(first, title);
    const before = await writtenBy(first.name, title);
    expect(before).toBeGreaterThan(0);
    const second = await startFiller();
    await allFilledOnce(title, rows);
    expect(await writtenBy(second.name, title)).toBe(rows - before);
    // of the first fill nothing was committed but the rows; of later ones earlier offsets may be
    const again = hit === 1 ? before : 1;
    await waitFor(`${again} verdicts "already"`, async () => (await already()) >= counted + again, {
      describe: already,
    });
    console.log(
      `killed after fill ${hit}: ${before} of ${rows} rows were filled, ${(await already()) - counted} hints came again`,
    );
  },
);

it('F06 F08 the stream is the one that it was, and the run ends as if nothing had been', async () => {
  await startFiller();
  expect((await run.events()).map((event) => event.type)).not.toContain('StreamBroken');
  await run.resume();
  await run.until('bridged');
  await run.settled();
});
