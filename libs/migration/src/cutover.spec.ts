import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CatalogFacts, CutoverProofs, CutoverStep } from './cutover.js';
import { afterStep, enforcementFound, nextCutoverStep, nextUndoStep, noProofs } from './cutover.js';

const open: CatalogFacts = {
  notNull: false,
  checkExists: false,
  checkValidated: false,
  checkIsOurs: true,
  bridgeInstalled: true,
};
const wanted = { bridge: true, fence: true };

/** What the server does to the catalog when a step commits. */
function committed(step: CutoverStep['step'], facts: CatalogFacts): CatalogFacts {
  if (step === 'guard') return { ...facts, checkExists: true, checkIsOurs: true };
  if (step === 'validate') return { ...facts, checkValidated: true };
  if (step === 'setNotNull') return { ...facts, notNull: true, checkExists: false, checkValidated: false };
  if (step === 'dropGuard') return { ...facts, checkExists: false, checkValidated: false };
  return facts;
}
const tries = { tries: 1, triesMax: 5, random: 0 };

describe('cutover of one table', () => {
  it('goes fence, drain, guard, validate, SET NOT NULL, done', () => {
    let facts = open;
    let proofs: CutoverProofs = noProofs;
    const steps: string[] = [];
    for (;;) {
      const { step } = nextCutoverStep(facts, wanted, proofs);
      steps.push(step);
      if (step === 'done') break;
      const after = afterStep(step, 'done', proofs, tries);
      if (after.next !== 'look') throw new Error(after.next);
      proofs = after.proofs;
      facts = committed(step, facts);
    }
    expect(steps).toEqual(['fence', 'drain', 'guard', 'validate', 'setNotNull', 'done']);
    expect(enforcementFound(facts)).toBe('enforced');
  });

  it('needs no fence without a stream, and a bridge before anything', () => {
    expect(nextCutoverStep(open, { bridge: true, fence: false }, noProofs)).toEqual({ step: 'drain' });
    expect(nextCutoverStep({ ...open, bridgeInstalled: false }, wanted, noProofs)).toEqual({
      step: 'stop',
      reason: 'BridgeMissing',
    });
  });

  it('touches no check that is not ours', () => {
    const theirs = { ...open, checkExists: true, checkIsOurs: false };
    expect(nextCutoverStep(theirs, wanted, noProofs)).toEqual({ step: 'stop', reason: 'CheckNotOurs' });
    expect(nextUndoStep(theirs)).toBe('done');
    expect(enforcementFound(theirs)).toBe('open');
  });

  it('goes back to the fence when the guard found a NULL, and gives up after its tries', () => {
    const proofs = { fenced: true, drained: true };
    expect(afterStep('guard', 'nullFound', proofs, tries)).toMatchObject({ next: 'retry', proofs: noProofs });
    expect(afterStep('guard', 'nullFound', proofs, { ...tries, tries: 5 })).toEqual({
      next: 'fail',
      code: 'NullFound',
    });
    expect(afterStep('guard', 'lockTimeout', proofs, tries)).toMatchObject({ next: 'retry', proofs });
    expect(afterStep('guard', 'lockTimeout', proofs, { ...tries, tries: 5 })).toEqual({
      next: 'fail',
      code: 'LockTimeout',
    });
    expect(afterStep('setNotNull', 'unknown', proofs, tries)).toEqual({ next: 'reconcile' });
  });

  it('pauses longer each time, never nothing, never longer than 8 s', () => {
    const pause = (n: number, random: number): number => {
      const after = afterStep('guard', 'lockTimeout', noProofs, { tries: n, triesMax: 99, random });
      return after.next === 'retry' ? after.pauseMs : -1;
    };
    expect([1, 2, 3].map((n) => pause(n, 0))).toEqual([125, 250, 500]);
    expect(pause(50, 0.999)).toBeLessThanOrEqual(8_000);
  });

  // Crash, lost answer or lock timeout at any step: the catalog alone leads to the end, in the same steps, and each commits once.
  it('ends enforced whatever is lost between the steps', () => {
    const fate = fc.constantFrom('done', 'lost-after-commit', 'lost-before-commit', 'lockTimeout', 'nullFound');
    fc.assert(
      fc.property(fc.array(fate, { maxLength: 30 }), (fates) => {
        let facts = open;
        let proofs: CutoverProofs = noProofs;
        const ddl: string[] = [];
        for (let turn = 0; turn < 60; turn += 1) {
          const next = nextCutoverStep(facts, wanted, proofs);
          if (next.step === 'done') {
            expect(ddl).toEqual(['guard', 'validate', 'setNotNull']);
            return;
          }
          const fated = fates[turn] ?? 'done';
          const isDdl = 'ddl' in next;
          if (fated === 'nullFound' && next.step !== 'guard') continue;
          if (fated === 'done' || fated === 'lost-after-commit') {
            facts = committed(next.step, facts);
            if (isDdl) ddl.push(next.step);
          }
          if (fated.startsWith('lost')) {
            proofs = noProofs; // another process goes on, and knows nothing but the catalog
            continue;
          }
          const after = afterStep(next.step, fated as 'done', proofs, tries);
          if (after.next === 'look' || after.next === 'retry') proofs = after.proofs;
        }
        throw new Error(`not done after 60 turns: ${ddl.join()}`);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
