import type { StoredOperation } from '@highwater/target-db';
import { bridgeJudged } from './acts/bridge-unused.js';

/** How it is told that nobody needs the bridge any more: by the operator's word, or by so long without a use of it. */
export interface FinishWords {
  readonly bridgeUnused: boolean;
  /** Absent: the plan's window. */
  readonly afterMs?: number;
}

const asked = (operations: readonly StoredOperation[]): StoredOperation[] =>
  operations.filter(({ verb }) => verb === 'finish');

/** Of several, in the order in which they were asked for, the one that has begun to take things away, else the last. Pure. */
export const finishAsked = (operations: readonly StoredOperation[]): StoredOperation | undefined =>
  asked(operations).find(bridgeJudged) ?? asked(operations).at(-1);

/**
 * What the open ones say together: `bridgeUnused` and `afterMs` are two answers to one question, so the last one given counts, and one that is asked
 * for without either takes nothing back of what was said before. Pure.
 */
export const finishWords = (operations: readonly StoredOperation[]): FinishWords =>
  asked(operations).reduce<FinishWords>(
    (words, { request: { afterMs, bridgeUnused } }) => {
      const patient = typeof afterMs === 'number' ? { bridgeUnused: false, afterMs } : words;
      return typeof bridgeUnused === 'boolean' ? { ...patient, bridgeUnused } : patient;
    },
    { bridgeUnused: false },
  );
