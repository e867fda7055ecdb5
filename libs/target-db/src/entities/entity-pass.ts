import type { Access } from '../session/database.js';

/** How far the latest pass over the sources of one entity is. */
export interface EntityPass {
  readonly entityNo: number;
  readonly epoch: number;
  /** 0: over history. */
  readonly pass: number;
  /** Last source key looked at; null: not begun. */
  readonly cursor: readonly string[] | null;
  readonly done: boolean;
  readonly sourcesExpected: number;
  readonly sourcesSeen: number;
  /** Of those, the ones this pass left without their entity although nothing is wrong with them. */
  readonly sourcesLeft: number;
  /** Sources without their entity when they were counted last; null: not counted in this epoch, or not in time. */
  readonly missing: number | null;
  readonly countedAt: Date | null;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  /** Since it ended; null: it is under way. */
  readonly msSince: number | null;
  readonly tookMs: number;
}

interface Row extends Record<string, unknown> {
  entity_no: number;
  epoch: number;
  pass: number;
  cursor: string[] | null;
  done: boolean;
  expected: string;
  seen: string;
  left: string;
  missing: string | null;
  counted_at: Date | null;
  started_at: Date;
  finished_at: Date | null;
  since_ms: string | null;
  took_ms: string;
}

/** The latest pass of each entity, in the plan's order; empty: none was begun. */
export async function readEntityPasses(state: Access, migrationId: string): Promise<EntityPass[]> {
  const rows = await state.query<Row>(
    'reading the passes over the sources of entities',
    `select entity_no, epoch, pass, cursor, done, sources_expected::text as expected, sources_seen::text as seen,
            sources_left::text as left, missing::text, counted_at,
            started_at, finished_at, (extract(epoch from clock_timestamp() - finished_at) * 1000)::text as since_ms,
            (extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at) * 1000)::text as took_ms
       from highwater.entity_pass where migration_id = $1 order by entity_no`,
    [migrationId],
  );
  return rows.map((row) => ({
    entityNo: row.entity_no,
    epoch: row.epoch,
    pass: row.pass,
    cursor: row.cursor,
    done: row.done,
    sourcesExpected: Number(row.expected),
    sourcesSeen: Number(row.seen),
    sourcesLeft: Number(row.left),
    missing: row.missing === null ? null : Number(row.missing),
    countedAt: row.counted_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    msSince: row.since_ms === null ? null : Number(row.since_ms),
    tookMs: Number(row.took_ms),
  }));
}

/**
 * Begins a pass over the sources of each entity. Asked again for the same pass nothing happens: two control processes for a moment begin
 * one pass. How many rows a source has is the planner's estimate.
 */
export async function beginEntityPass(
  state: Access,
  migrationId: string,
  of: {
    readonly epoch: number;
    readonly pass: number;
    readonly sources: readonly { entityNo: number; relid: number }[];
  },
): Promise<void> {
  await state.query(
    'beginning a pass over the sources of entities',
    `insert into highwater.entity_pass as p (migration_id, entity_no, epoch, pass, sources_expected)
     select $1, s.entity_no, $2, $3,
            (select coalesce(sum(greatest(c.reltuples, 0)), 0)::int8 from pg_class as c
              where c.oid = s.relid and c.relkind <> 'p'
                 or c.oid in (select t.relid from pg_partition_tree(s.relid) as t where t.isleaf and c.relkind = 'r'))
       from rows from (unnest($4::int4[]), unnest($5::oid[])) as s (entity_no, relid)
     on conflict (migration_id, entity_no) do update
        set epoch = excluded.epoch, pass = excluded.pass, cursor = null, done = false, sources_seen = 0, sources_left = 0,
            sources_expected = excluded.sources_expected, missing = case when p.epoch = excluded.epoch then p.missing end,
            counted_at = case when p.epoch = excluded.epoch then p.counted_at end,
            started_at = clock_timestamp(), finished_at = null
      where (p.epoch, p.pass) < (excluded.epoch, excluded.pass)`,
    [migrationId, of.epoch, of.pass, of.sources.map((one) => one.entityNo), of.sources.map((one) => one.relid)],
  );
}

/**
 * Moves the cursor behind a page whose entities are committed. `from` is the cursor the page began at: another process that did the page
 * meanwhile has moved it, and then nothing happens here.
 *
 * @returns whether it was moved.
 */
export async function moveEntityPass(
  state: Access,
  migrationId: string,
  page: {
    readonly entityNo: number;
    readonly epoch: number;
    readonly pass: number;
    readonly from: readonly string[] | null;
    readonly to: readonly string[] | null;
    readonly seen: number;
    /** Of those, without their entity. */
    readonly left: number;
  },
): Promise<boolean> {
  const moved = await state.query(
    'moving the cursor of a pass over sources',
    `update highwater.entity_pass set cursor = $5, sources_seen = sources_seen + $6, sources_left = sources_left + $8
      where migration_id = $1 and entity_no = $2 and epoch = $3 and pass = $4 and not done and cursor is not distinct from $7::text[]
      returning true`,
    [migrationId, page.entityNo, page.epoch, page.pass, page.to, page.seen, page.from, page.left],
  );
  return moved.length > 0;
}

/** How many sources have no entity, counted just now; null when the server did not answer in time. With `pass`: unless that pass is over. */
export async function recordMissingEntities(
  state: Access,
  migrationId: string,
  of: { readonly entityNo: number; readonly epoch: number; readonly missing: number | null; readonly pass?: number },
): Promise<void> {
  await state.query(
    'recording how many entities are missing',
    `update highwater.entity_pass set missing = $4, counted_at = clock_timestamp() where migration_id = $1 and entity_no = $2 and epoch = $3
        and pass = coalesce($5::int4, pass)`,
    [migrationId, of.entityNo, of.epoch, of.missing, of.pass ?? null],
  );
}

/** The pass over one entity's sources is over. */
export async function endEntityPass(
  state: Access,
  migrationId: string,
  of: {
    readonly entityNo: number;
    readonly epoch: number;
    readonly pass: number;
  },
): Promise<void> {
  await state.query(
    'ending a pass over the sources of an entity',
    `update highwater.entity_pass set done = true, finished_at = clock_timestamp()
      where migration_id = $1 and entity_no = $2 and epoch = $3 and pass = $4 and not done`,
    [migrationId, of.entityNo, of.epoch, of.pass],
  );
}
