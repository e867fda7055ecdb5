import * as catalog from './catalog-conditions.js';
import type { Condition, ConditionType, Finding } from './condition.js';
import type { Judged } from './judged.js';
import type { Observations } from './observations.js';
import * as rows from './row-conditions.js';
import * as stream from './stream-conditions.js';
import type { ReadinessSubject } from './subject.js';
import * as writers from './writer-conditions.js';

/** What `GET /cutover/readiness` answers; `planHash` says of which plan, so that another plan moves the generation. */
export interface Readiness {
  readonly migration: string;
  readonly ready: boolean;
  /** Decimal text; moves only when a condition's status or reason, or the plan, changes. */
  readonly generation: string;
  readonly evaluatedAt: string;
  readonly conditions: readonly Condition[];
  readonly planHash: string;
}

type Judge = (judged: Judged) => Finding;

const judgesOf = ({ mode }: ReadinessSubject): readonly (readonly [ConditionType, Judge])[] => [
  ['PreflightPassed', catalog.preflightPassed],
  ['SchemaUnchanged', catalog.schemaUnchanged],
  ['PublicationIntact', stream.publicationIntact],
  ['SlotHealthy', stream.slotHealthy],
  ['StreamCaughtUp', stream.streamCaughtUp],
  ['SweepComplete', rows.sweepComplete],
  ['NullCountZero', rows.nullCountZero],
  ['NoUnfillableRows', rows.noUnfillableRows],
  mode === 'strict' ? ['WritersConverted', writers.writersConverted] : ['BridgeResolves', writers.bridgeResolves],
  ['Verified', rows.verified],
  ['NoLockBlockers', catalog.noLockBlockers],
  ['Approved', catalog.approved],
];

/**
 * Judges every condition by observations of one moment. Pure: `now` is an argument, and `previous` is the last evaluation of the same
 * migration, whoever made it. What could not be seen, or was seen too long ago, is Unknown, and Unknown is not ready.
 */
export function evaluateReadiness(
  subject: ReadinessSubject,
  observations: Observations,
  previous: Readiness | undefined,
  now: Date,
): Readiness {
  const evaluatedAt = now.toISOString();
  const conditions = judgesOf(subject).map(([type, judge]): Condition => {
    const before = previous?.conditions.find((condition) => condition.type === type);
    const finding = judge({ subject, observations, previous: before, nowMs: now.getTime() });
    const unmoved = before !== undefined && before.status === finding.status;
    return { type, ...finding, lastTransitionTime: unmoved ? before.lastTransitionTime : evaluatedAt };
  });
  return {
    migration: subject.migration,
    ready: conditions.every((condition) => condition.status === 'True'),
    generation: generationAfter(previous, conditions, subject.planHash),
    evaluatedAt,
    conditions,
    planHash: subject.planHash,
  };
}

function generationAfter(previous: Readiness | undefined, conditions: readonly Condition[], planHash: string): string {
  if (!previous) return '1';
  const same =
    previous.planHash === planHash &&
    previous.conditions.length === conditions.length &&
    conditions.every((now, index) => {
      const before = previous.conditions[index];
      return before?.type === now.type && before.status === now.status && before.reason === now.reason;
    });
  return same ? previous.generation : (BigInt(previous.generation) + 1n).toString();
}
