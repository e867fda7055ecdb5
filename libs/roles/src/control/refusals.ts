import { HighwaterError } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import * as codes from './codes.js';
import type { ReadinessView } from './port.js';

/** Not ready, with the conditions: what a 422 shows. */
export class NotReady extends HighwaterError {
  constructor(readonly readiness: ReadinessView) {
    const unmet = readiness.conditions.filter((condition) => condition.status !== 'True');
    super(
      codes.notReady,
      'never',
      `migration "${readiness.migration}" is not ready: ${unmet.map((one) => `${one.type} is ${one.status} (${one.reason})`).join(', ')}`,
      { migration: readiness.migration, generation: readiness.generation },
      unmet[0]?.message,
    );
  }
}

/** @param ageMs of the last evaluation; undefined: there was none yet, as after every accepted plan for a moment. */
export const notEvaluated = (id: string, ageMs: number | undefined): HighwaterError => {
  const evaluatedSecondsAgo = ageMs === undefined ? null : Math.round(ageMs / 1_000);
  return new HighwaterError(
    codes.notEvaluated,
    'backoff',
    evaluatedSecondsAgo === null
      ? `migration "${id}" has not been evaluated yet`
      : `migration "${id}" was last evaluated ${evaluatedSecondsAgo} s ago`,
    { migration: id, evaluatedSecondsAgo },
    'ask again in a moment; if it stays so, no service runs with process role control (HIGHWATER_ROLES), or it cannot reach the database',
  );
};

export const attemptUnderWay = (migration: string, operation: string, what = 'cutover attempt'): HighwaterError =>
  new HighwaterError(
    codes.attemptRunning,
    'never',
    `another ${what} of "${migration}" is under way`,
    { migration, operation },
    `GET /operations/${operation} follows it; highwater status ${migration}`,
  );

export const keyReused = (key: string): HighwaterError =>
  new HighwaterError(codes.keyReused, 'never', `idempotency key "${key}" was used before with another request`, {
    key,
  });

export function phaseError(id: string, asked: string, state: LiveMigration): HighwaterError {
  const rolledBack = state.phase === 'finished' && state.outcome === 'rolled-back';
  const after =
    state.phase === 'enforced' && asked === 'cutover'
      ? 'it is enforced already'
      : rolledBack
        ? 'it was rolled back'
        : `it is in phase "${state.phase}"`;
  return new HighwaterError(
    codes.wrongPhase,
    'never',
    `${asked} refused for migration "${id}": ${after}`,
    { migration: id, phase: state.phase },
    rolledBack ? 'its history stays under its name; plan it again under another one' : wayOn(id, asked, state.phase),
  );
}

/** The next command of somebody who asked for what this phase does not have. */
function wayOn(id: string, asked: string, phase: LiveMigration['phase']): string {
  if (phase === 'finished')
    return `it is over; highwater rollback ${id} --dry-run shows what could still be taken back, and a new plan begins another migration`;
  if (phase === 'cutting-over')
    return `highwater wait ${id} --for=phase=enforced, or end the attempt: highwater halt ${id}`;
  if (asked === 'finish')
    return `finish follows the cutover: highwater readiness ${id}, highwater cutover ${id}; to take everything back instead: highwater rollback ${id}`;
  if (asked === 'unenforce')
    return `nothing is enforced; to stop: highwater pause ${id} or highwater halt ${id}; to take everything back: highwater rollback ${id}`;
  if (phase === 'enforced')
    return `highwater finish ${id} takes away what is ours; highwater unenforce ${id} drops NOT NULL again`;
  if (asked === 'verify' || asked === 'retry')
    return `highwater wait ${id} --for=phase=sweeping: no row is filled before`;
  return `highwater status ${id}`;
}

/** A filter that names nothing of this plan: an empty answer would look like "all is well". */
export const unknownTable = (id: string, table: string, known: readonly string[]): HighwaterError =>
  new HighwaterError(
    codes.unknownTable,
    'never',
    `table "${table}" is not in the plan of migration "${id}"`,
    { migration: id, table },
    `tables: ${[...new Set(known)].join(', ')}`,
  );
