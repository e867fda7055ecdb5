import { randomUUID } from 'node:crypto';
import { acceptOperation, findOperation, type Access, type StoredOperation } from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import type { CommandContext, Operation } from './port.js';
import { keyReused } from './refusals.js';
import { sha256 } from './resolve.js';

type Request = Readonly<Record<string, unknown>>;

/** Requests as stored operations: stored before they are acknowledged, once per idempotency key. */
export class Requests {
  constructor(private readonly state: Access) {}

  /** `same`: what must be equal for two requests of one key to be one; the whole request unless given. */
  async ask(
    id: string,
    verb: string,
    request: Request,
    by: CommandContext,
    same: Request = request,
  ): Promise<Operation> {
    const requestHash = hashOf(id, verb, same);
    const stored = await acceptOperation(this.state, {
      id: randomUUID(),
      migrationId: id,
      verb,
      actor: by.actor.name,
      request,
      requestHash,
      idempotencyKey: by.idempotencyKey ?? null,
    });
    await failpoint('operation.afterAccepted');
    if (stored.requestHash !== requestHash) throw keyReused(by.idempotencyKey ?? '');
    return view(stored);
  }

  /** The operation that the same request under the same key made before; its outcome is the answer, whatever has changed since. */
  async earlier(id: string, verb: string, same: Request, by: CommandContext): Promise<Operation | undefined> {
    if (by.idempotencyKey === undefined) return undefined;
    const rows = await this.state.query<{ id: string }>(
      'looking for the idempotency key',
      'select id from highwater.operation where idempotency_key = $1',
      [by.idempotencyKey],
    );
    const found = rows[0] && (await findOperation(this.state, rows[0].id));
    if (found && found.requestHash !== hashOf(id, verb, same)) throw keyReused(by.idempotencyKey);
    return found && view(found);
  }

  async find(id: string): Promise<Operation | undefined> {
    const found = await findOperation(this.state, id);
    return found && view(found);
  }
}

const hashOf = (id: string, verb: string, request: object): string => sha256(JSON.stringify([id, verb, request]));

function view(stored: StoredOperation): Operation {
  const { id, migrationId, verb, status, actor, requestedAt, finishedAt, result, error } = stored;
  return { id, migrationId, verb, status, actor, requestedAt, finishedAt, result, error };
}
