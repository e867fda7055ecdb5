import type { Access } from '../session/database.js';

/** What relay, filler and sweeper need to know of the stream's current life; written by control at `StreamOpened`. */
export interface StreamInfo {
  readonly epoch: number;
  readonly slot: string;
  readonly publication: string;
  readonly publicationOid: number;
  readonly publicationDefinition: string;
  readonly topic: string;
  readonly topicId: string;
  readonly deadLetterTopic: string;
  readonly partitions: number;
  readonly systemIdentifier: string;
}

/** One row of `highwater.migration`: the projection that every process reads instead of the stream. */
export interface RegisteredMigration {
  readonly id: string;
  readonly short: string;
  readonly planSource: string;
  readonly planHash: string;
  readonly phase: string;
  readonly epoch: number;
  readonly stream: StreamInfo | null;
  readonly limits: Readonly<Record<string, number>>;
  /** The tables are not what preflight found; both gates are closed. */
  readonly schemaChanged: boolean;
  readonly streamVersion: bigint;
}

interface MigrationRow extends Record<string, unknown> {
  id: string;
  short: string;
  plan_source: string;
  plan_hash: string;
  phase: string;
  epoch: number;
  stream: StreamInfo | null;
  limits: Record<string, number>;
  schema_changed: boolean;
  stream_version: string;
}

const columns = 'id, short, plan_source, plan_hash, phase, epoch, stream, limits, schema_changed, stream_version';

const fromRow = (row: MigrationRow): RegisteredMigration => ({
  id: row.id,
  short: row.short,
  planSource: row.plan_source,
  planHash: row.plan_hash,
  phase: row.phase,
  epoch: row.epoch,
  stream: row.stream,
  limits: row.limits,
  schemaChanged: row.schema_changed,
  streamVersion: BigInt(row.stream_version),
});

/** Registers a planned migration with its closed gate; repeating it changes nothing. */
export async function registerMigration(
  state: Access,
  migration: { id: string; short: string; planSource: string; planHash: string },
): Promise<void> {
  await state.transaction(`registering migration ${migration.id}`, async (client) => {
    await client.query(
      `insert into highwater.migration (id, short, plan_source, plan_hash) values ($1, $2, $3, $4) on conflict (id) do nothing`,
      [migration.id, migration.short, migration.planSource, migration.planHash],
    );
    await client.query(`insert into highwater.gate (migration_id) values ($1) on conflict do nothing`, [migration.id]);
  });
}

/**
 * Brings the projection up to a version of the stream; an older version never overwrites a newer one. The gate is part of it: an act
 * that was decided before a pause, or by a controller that froze, cannot open what the pause has closed.
 */
export async function projectMigration(
  state: Access,
  id: string,
  projection: {
    phase: string;
    epoch: number;
    stream: StreamInfo | null;
    limits: object;
    gate: { sweep: boolean; live: boolean };
    streamVersion: bigint;
  },
): Promise<void> {
  await state.query(
    `projecting migration ${id}`,
    `with moved as (
       update highwater.migration
          set phase = $2, epoch = $3, stream = $4::jsonb, limits = $5::jsonb, stream_version = $6::int8
        where id = $1 and stream_version <= $6::int8 returning id, schema_changed
     )
     insert into highwater.gate as g (migration_id, sweep_open, live_open) select id, $7 and not schema_changed, $8 and not schema_changed from moved
     on conflict (migration_id) do update
        set sweep_open = excluded.sweep_open, live_open = excluded.live_open, changed_at = clock_timestamp()
      where (g.sweep_open, g.live_open) is distinct from (excluded.sweep_open, excluded.live_open)`,
    [
      id,
      projection.phase,
      projection.epoch,
      projection.stream === null ? null : JSON.stringify(projection.stream),
      JSON.stringify(projection.limits),
      projection.streamVersion.toString(),
      projection.gate.sweep,
      projection.gate.live,
    ],
  );
}

export async function listMigrations(state: Access): Promise<RegisteredMigration[]> {
  const rows = await state.query<MigrationRow>(
    'listing migrations',
    `select ${columns} from highwater.migration order by created_at, id`,
  );
  return rows.map(fromRow);
}

export async function findMigration(state: Access, id: string): Promise<RegisteredMigration | undefined> {
  const rows = await state.query<MigrationRow>(
    `reading migration ${id}`,
    `select ${columns} from highwater.migration where id = $1`,
    [id],
  );
  return rows[0] && fromRow(rows[0]);
}

/** The last evaluation, as stored: asking for readiness costs this one row. */
export interface Evaluation {
  readonly readiness: unknown;
  readonly status: unknown;
  /** Age by the server's clock, so that two machines' clocks do not matter. */
  readonly ageMs: number;
}

export async function saveEvaluation(state: Access, id: string, readiness: unknown, status: unknown): Promise<void> {
  await state.query(
    `saving the evaluation of ${id}`,
    `update highwater.migration set readiness = $2::jsonb, status = $3::jsonb, evaluated_at = clock_timestamp() where id = $1`,
    [id, JSON.stringify(readiness), JSON.stringify(status)],
  );
}

export async function readEvaluation(state: Access, id: string): Promise<Evaluation | undefined> {
  const rows = await state.query<{ readiness: unknown; status: unknown; age_ms: string | null }>(
    `reading the evaluation of ${id}`,
    `select readiness, status, extract(epoch from clock_timestamp() - evaluated_at) * 1000 as age_ms from highwater.migration where id = $1`,
    [id],
  );
  const row = rows[0];
  if (!row || row.age_ms === null) return undefined;
  return { readiness: row.readiness, status: row.status, ageMs: Number(row.age_ms) };
}
