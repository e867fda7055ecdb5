import type { Access } from '../session/database.js';

export type OperationStatus = 'accepted' | 'running' | 'succeeded' | 'failed';

/** An accepted request. It is stored before anyone is told that it was accepted, so a crash cannot lose it. */
export interface StoredOperation {
  readonly id: string;
  readonly migrationId: string | null;
  readonly verb: string;
  readonly status: OperationStatus;
  readonly actor: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly requestHash: string | null;
  readonly result: unknown;
  readonly error: { readonly code: string; readonly message: string; readonly help?: string } | null;
  readonly requestedAt: string;
  /** Since it was requested, by the server's clock. */
  readonly ageMs: number;
  readonly finishedAt: string | null;
}

interface OperationRow extends Record<string, unknown> {
  id: string;
  migration_id: string | null;
  verb: string;
  status: OperationStatus;
  actor: string;
  request: Record<string, unknown>;
  request_hash: string | null;
  result: unknown;
  error: StoredOperation['error'];
  requested_at: Date;
  age_ms: string;
  finished_at: Date | null;
}

const columns = `id, migration_id, verb, status, actor, request, request_hash, result, error, requested_at,
  extract(epoch from clock_timestamp() - requested_at) * 1000 as age_ms, finished_at`;

const fromRow = (row: OperationRow): StoredOperation => ({
  id: row.id,
  migrationId: row.migration_id,
  verb: row.verb,
  status: row.status,
  actor: row.actor,
  request: row.request,
  requestHash: row.request_hash,
  result: row.result,
  error: row.error,
  requestedAt: row.requested_at.toISOString(),
  ageMs: Number(row.age_ms),
  finishedAt: row.finished_at?.toISOString() ?? null,
});

export interface NewOperation {
  readonly id: string;
  readonly migrationId: string | null;
  readonly verb: string;
  readonly actor: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly requestHash: string;
  readonly idempotencyKey: string | null;
}

/**
 * Stores an operation as accepted. With an idempotency key that is known already, nothing is stored and the earlier operation comes back;
 * the caller compares `requestHash`.
 */
export async function acceptOperation(state: Access, operation: NewOperation): Promise<StoredOperation> {
  const inserted = await state.query<OperationRow>(
    `accepting ${operation.verb}`,
    `insert into highwater.operation (id, migration_id, verb, status, actor, idempotency_key, request_hash, request)
     values ($1, $2, $3, 'accepted', $4, $5, $6, $7::jsonb)
     on conflict (idempotency_key) do nothing returning ${columns}`,
    [
      operation.id,
      operation.migrationId,
      operation.verb,
      operation.actor,
      operation.idempotencyKey,
      operation.requestHash,
      JSON.stringify(operation.request),
    ],
  );
  if (inserted[0]) return fromRow(inserted[0]);
  const earlier = await state.query<OperationRow>(
    'reading the earlier operation',
    `select ${columns} from highwater.operation where idempotency_key = $1`,
    [operation.idempotencyKey],
  );
  if (!earlier[0]) throw new Error('invariant broken: an operation conflicted with none');
  return fromRow(earlier[0]);
}

export async function findOperation(state: Access, id: string): Promise<StoredOperation | undefined> {
  const rows = await state.query<OperationRow>(
    'reading an operation',
    `select ${columns} from highwater.operation where id = $1`,
    [id],
  );
  return rows[0] && fromRow(rows[0]);
}

/** Accepted and running operations of one migration, oldest first: what control has to carry out or go on with. */
export async function openOperations(state: Access, migrationId: string): Promise<StoredOperation[]> {
  const rows = await state.query<OperationRow>(
    'reading open operations',
    `select ${columns} from highwater.operation
      where migration_id = $1 and status in ('accepted', 'running') order by requested_at, id`,
    [migrationId],
  );
  return rows.map(fromRow);
}

export async function markOperation(
  state: Access,
  id: string,
  status: OperationStatus,
  outcome: { result?: unknown; error?: StoredOperation['error'] } = {},
): Promise<void> {
  await state.query(
    'recording the outcome of an operation',
    `update highwater.operation
        set status = $2, result = coalesce($3::jsonb, result), error = $4::jsonb,
            finished_at = case when $2 in ('succeeded', 'failed') then clock_timestamp() end
      where id = $1 and status in ('accepted', 'running')`,
    [
      id,
      status,
      outcome.result === undefined ? null : JSON.stringify(outcome.result),
      outcome.error ? JSON.stringify(outcome.error) : null,
    ],
  );
}

/** Migrations of which somebody has asked for a rollback that is not over, whatever their phase. */
export async function migrationsToRollBack(state: Access): Promise<ReadonlySet<string>> {
  const rows = await state.query<{ id: string }>(
    'looking for rollbacks',
    `select distinct migration_id as id from highwater.operation where verb = 'rollback' and status in ('accepted', 'running') and migration_id is not null`,
  );
  return new Set(rows.map(({ id }) => id));
}
