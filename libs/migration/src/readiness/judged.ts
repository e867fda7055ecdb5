import type { Condition, Finding } from './condition.js';
import { unknown } from './condition.js';
import type { ObservationName, Observations, Observed } from './observations.js';
import { observationAgeMsMax } from './observations.js';
import type { ReadinessSubject } from './subject.js';

/** What a condition's judge is given. */
export interface Judged {
  readonly subject: ReadinessSubject;
  readonly observations: Observations;
  /** The same condition at the last evaluation. */
  readonly previous: Condition | undefined;
  readonly nowMs: number;
}

type Seen<N extends ObservationName> = Exclude<NonNullable<Observations[N]>, { error: string }>;

/** Judges one observation; absent, failed or too old → Unknown, with the reason why nothing is known. */
export function withObservation<N extends ObservationName>(
  judged: Judged,
  name: N,
  judge: (seen: Seen<N>) => Finding,
): Finding {
  const observed: Observed<unknown> | undefined = judged.observations[name];
  if (!observed)
    return unknown(
      'NotObserved',
      `${name} has not been looked at yet; it is looked at while the control process runs.`,
    );
  if ('error' in observed) {
    return unknown('ObservationFailed', `${name} could not be looked at: ${String(observed.error)}.`, {
      at: observed.at,
    });
  }
  const ageMsMax = observationAgeMsMax[name];
  const ageMs = judged.nowMs - Date.parse(observed.at);
  if (ageMsMax !== null && ageMs > ageMsMax) {
    const message = `${name} was last looked at ${clock(ageMs)} ago, and counts for ${clock(ageMsMax)}; is a control process running?`;
    return unknown('ObservationStale', message, { at: observed.at });
  }
  return judge(observed as Seen<N>);
}

/** 190000 → `00:03:10`. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const part = (value: number): string => String(value).padStart(2, '0');
  return `${part(Math.floor(seconds / 3_600))}:${part(Math.floor(seconds / 60) % 60)}:${part(seconds % 60)}`;
}

/** `{ InputNull: 30, Ambiguous: 7 }` → `InputNull 30, Ambiguous 7`. */
export const tally = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
