import { existsSync, readFileSync } from 'node:fs';
import pg from 'pg';
import type { History, Stopped } from '../checker/history.js';
import { auditRangesSql, auditSql, readRangeSteps, readSchemaChanges, readWrites, type AuditedTable } from './audit.js';
import { sampleCatalog } from './catalog-sampler.js';
import { readEnd, readLog } from './end.js';
import { again } from './looped.js';
import { sampleProcesses } from './processes.js';
import { sampleProgress } from './progress-sampler.js';
import { watchPromises } from './promises.js';
import { canary, readEpoch, readPublished, type EpochReader, type TopicSettings } from './topic-readers.js';
import { recordTruth } from './truth.js';

/** Liveness: every event is published in the end. */
const publishedMsMax = 30_000;

export interface RecordingSettings {
  /** Superuser, on the run's database. */
  readonly url: string;
  readonly migration: string;
  readonly tables: readonly AuditedTable[];
  /** Left out for a plan without a stream. */
  readonly kafka: Omit<TopicSettings, 'migration'> | undefined;
  /** Login roles of ours, for the try to change history. */
  readonly roles: readonly string[];
  readonly logs: readonly string[];
  readonly limits: History['limits'];
  readonly pids: () => readonly number[];
}

/** Everything the checker needs, recorded beside a run. */
export interface Recording {
  /** Once schema `highwater` is there. */
  installed(): Promise<void>;
  stopped(stop: Stopped): void;
  tampered(what: string): void;
  disturbed(from: number, to: number): void;
  /** Raw hints of the epoch at hand, for those who repeat them. */
  rawHints(): EpochReader['raw'];
  /** Reads what is left; nothing of the run writes any more. */
  history(applicationErrors: Readonly<Record<string, number>>): Promise<History>;
  close(): Promise<void>;
}

export async function record(settings: RecordingSettings): Promise<Recording> {
  const { url, migration, tables, kafka } = settings;
  const admin = new pg.Client({ connectionString: url, application_name: 'chaos recorder' });
  admin.on('error', () => undefined);
  await admin.connect();
  await admin.query(auditSql(tables));
  await admin.end();
  const stops: Stopped[] = [];
  const tampered: History['tampered'][number][] = [];
  const disturbed: History['disturbed'][number][] = [];
  const canaries = new Set<string>();
  const found = (where: string): void => void canaries.add(where);
  const truth = await recordTruth(url, tables);
  const catalog = sampleCatalog(url);
  const progress = sampleProgress(url, migration);
  const processes = sampleProcesses(settings.pids);
  const readers: EpochReader[] = [];
  const topics = kafka && { ...kafka, migration };
  const promises = topics && watchPromises(url, topics, tables, () => readers.at(-1));
  const events = topics && followEvents(topics, found);
  const epochs = topics && followEpochs(url, topics, readers, found);
  const all = [truth, catalog, progress, processes, ...(promises ? [promises] : []), ...(epochs ? [epochs] : [])];
  let ended = false;
  const stopAll = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    await Promise.all(all.map((one) => one.stop()));
    await Promise.all(readers.map((reader) => reader.stop()));
    await events?.stop();
  };

  return {
    async installed() {
      const client = new pg.Client({ connectionString: url, application_name: 'chaos recorder' });
      await client.connect();
      await client.query(auditRangesSql);
      await client.end();
    },
    stopped: (stop) => void stops.push(stop),
    tampered: (what) => void tampered.push({ at: Date.now(), what }),
    disturbed: (from, to) => void disturbed.push({ from, to }),
    rawHints: () => readers.at(-1)?.raw ?? [],
    async history(applicationErrors) {
      await events?.complete(url);
      await stopAll();
      for (const file of settings.logs)
        if (existsSync(file) && readFileSync(file, 'utf8').includes(canary)) found(`log ${file}`);
      const client = new pg.Client({ connectionString: url, application_name: 'chaos recorder' });
      await client.connect();
      try {
        const { rows } = await client.query<{ n: number }>(
          `select coalesce(sum(contended), 0)::int as n from highwater.fill_tally where migration_id = $1`,
          [migration],
        );
        const readUpTo = Object.fromEntries(readers.map((reader) => [reader.epoch, reader.readUpTo()]));
        return {
          migration,
          plannedTables: tables.map(({ name }) => name),
          stream: kafka !== undefined,
          writes: await readWrites(client),
          rangeSteps: await readRangeSteps(client),
          inserts: truth.inserts(),
          bridgeMessages: truth.bridgeMessages(),
          hints: readers.flatMap(({ hints }) => hints),
          readUpTo,
          brokenPromises: promises?.broken ?? [],
          contended: rows[0]?.n ?? 0,
          catalog: catalog.samples,
          progress: progress.progress,
          schemaChanges: await readSchemaChanges(client),
          events: await readLog(client, migration),
          published: events?.published() ?? [],
          fences: [...progress.fences.values()],
          readiness: progress.readiness,
          stops,
          processes: processes.samples,
          tampered,
          disturbed,
          applicationErrors,
          limits: settings.limits,
          end: await readEnd(client, migration, tables, settings.roles, [...canaries]),
        };
      } finally {
        await client.end();
      }
    },
    close: stopAll,
  };
}

/** The events' topic comes with the first event. */
function followEvents(topics: TopicSettings, found: (where: string) => void) {
  let reader: Awaited<ReturnType<typeof readPublished>> | undefined;
  const loop = again(500, async () => {
    reader ??= await readPublished(topics, found);
  });
  return {
    published: () => reader?.events ?? [],
    /** Waits, but not for ever: what was never published is for the checker to say. */
    async complete(url: string) {
      const client = new pg.Client({ connectionString: url, application_name: 'chaos recorder' });
      await client.connect();
      const logged = (await readLog(client, topics.migration)).length;
      await client.end();
      const read = (): number => Math.max(0, ...(reader?.events ?? []).map(({ version }) => version));
      for (const deadline = Date.now() + publishedMsMax; read() < logged && Date.now() < deadline;)
        await new Promise((resolve) => setTimeout(resolve, 100));
    },
    async stop() {
      await loop.stop();
      await reader?.stop();
    },
  };
}

/** A new reader for each epoch: its topic is a new one under the old name. */
function followEpochs(url: string, topics: TopicSettings, readers: EpochReader[], found: (where: string) => void) {
  const client = new pg.Pool({ connectionString: url, application_name: 'chaos recorder', max: 1 });
  client.on('error', () => undefined);
  const loop = again(200, async () => {
    const { rows } = await client.query<{ epoch: number }>(
      `select (data ->> 'epoch')::int as epoch from highwater.event where stream_id = $1 and type = 'StreamOpened' order by version desc limit 1`,
      [`migration/${topics.migration}`],
    );
    const epoch = rows[0]?.epoch;
    if (epoch === undefined || readers.some((reader) => reader.epoch === epoch)) return;
    await readers.at(-1)?.stop();
    readers.push(await readEpoch(topics, epoch, found));
  });
  return {
    async stop() {
      await loop.stop();
      await client.end();
    },
  };
}
