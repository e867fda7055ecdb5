import { assertNever } from '@highwater/kernel';

// The cutover of one table (DESIGN section 9, steps 2 to 5). Truth is the catalog: after a lost connection, a crash or a second
// controller, the facts are read again and the next step follows from them.
//
//   open ─fence→ ─drain→ ─guard→ guarded ─validate→ validated ─setNotNull→ done
//    ↖── a NULL found behind the lock: the whole guard rolled back ──┘

/** What pg_attribute, pg_constraint and pg_trigger say about one target. */
export interface CatalogFacts {
  /** `attnotnull`; on PostgreSQL 18 also `convalidated` of its constraint. */
  readonly notNull: boolean;
  readonly checkExists: boolean;
  readonly checkValidated: boolean;
  /** The definition hash in the check's COMMENT is ours. Says nothing when there is no check. */
  readonly checkIsOurs: boolean;
  /** Installed and enabled on every partition. */
  readonly bridgeInstalled: boolean;
}

/** What this attempt has proved since its last look, and no catalog keeps: lost with the process, and then proved again. */
export interface CutoverProofs {
  /** A fence written after the bridge's commit came back through every partition. */
  readonly fenced: boolean;
  /** Tail pass done and the visible NULL count was zero. */
  readonly drained: boolean;
}
export const noProofs: CutoverProofs = { fenced: false, drained: false };

export interface CutoverWanted {
  readonly bridge: boolean;
  /** False for a plan without a stream: there is nothing to fence. */
  readonly fence: boolean;
}

/** The builders of target-db that a step calls; the SQL text lives there. */
export type DdlBuilder = 'guardTable' | 'validateGuard' | 'setNotNull' | 'dropGuard';

export type CutoverStep =
  | { readonly step: 'fence' }
  | { readonly step: 'drain' }
  | { readonly step: 'guard'; readonly ddl: 'guardTable' }
  | { readonly step: 'validate'; readonly ddl: 'validateGuard' }
  | { readonly step: 'setNotNull'; readonly ddl: 'setNotNull' }
  /** NOT NULL is valid already, and our check is still there. */
  | { readonly step: 'dropGuard'; readonly ddl: 'dropGuard' }
  | { readonly step: 'done' }
  /** Nothing we may do: the reason names what stands in the way. */
  | { readonly step: 'stop'; readonly reason: 'BridgeMissing' | 'CheckNotOurs' };

export function nextCutoverStep(facts: CatalogFacts, wanted: CutoverWanted, proofs: CutoverProofs): CutoverStep {
  if (facts.checkExists && !facts.checkIsOurs) return { step: 'stop', reason: 'CheckNotOurs' };
  if (facts.notNull) return facts.checkExists ? { step: 'dropGuard', ddl: 'dropGuard' } : { step: 'done' };
  // Behind a guard a NULL cannot come any more, so fence and drain have done their work.
  if (facts.checkExists) {
    return facts.checkValidated
      ? { step: 'setNotNull', ddl: 'setNotNull' }
      : { step: 'validate', ddl: 'validateGuard' };
  }
  if (wanted.bridge && !facts.bridgeInstalled) return { step: 'stop', reason: 'BridgeMissing' };
  if (wanted.fence && !proofs.fenced) return { step: 'fence' };
  if (!proofs.drained) return { step: 'drain' };
  return { step: 'guard', ddl: 'guardTable' };
}

/** What is left to undo before enforcement; after it, `unenforce` drops NOT NULL. */
export const nextUndoStep = (facts: CatalogFacts): 'dropGuard' | 'done' =>
  facts.checkExists && facts.checkIsOurs && !facts.notNull ? 'dropGuard' : 'done';

/** What the catalog says, in the words of `CutoverReconciled`. */
export function enforcementFound(facts: CatalogFacts): 'open' | 'guarded' | 'validated' | 'enforced' {
  if (facts.notNull) return 'enforced';
  if (!facts.checkExists || !facts.checkIsOurs) return 'open';
  return facts.checkValidated ? 'validated' : 'guarded';
}

export type StepOutcome =
  | 'done'
  /** The proof behind the lock found a NULL row; everything of the step was rolled back. */
  | 'nullFound'
  /** The lock budget ended; nothing was changed. */
  | 'lockTimeout'
  /** The connection ended between sending and the answer. */
  | 'unknown'
  /** Refused by the server for another reason. */
  | 'refused';

export type AfterStep =
  | { readonly next: 'look'; readonly proofs: CutoverProofs }
  | { readonly next: 'retry'; readonly proofs: CutoverProofs; readonly pauseMs: number }
  | { readonly next: 'reconcile' }
  | { readonly next: 'fail'; readonly code: 'NullFound' | 'LockTimeout' | 'Refused' };

const pauseMsFirst = 250;
/** Growing pauses end here: longer ones only keep the operator waiting. */
const pauseMsMax = 8_000;

/**
 * What follows a step. `tries` counts this step's tries so far, this one included; never an unlimited last try.
 * `random` in [0, 1) spreads the pauses (full jitter would allow none at all, so half is fixed).
 */
export function afterStep(
  step: CutoverStep['step'],
  outcome: StepOutcome,
  proofs: CutoverProofs,
  { tries, triesMax, random }: { readonly tries: number; readonly triesMax: number; readonly random: number },
): AfterStep {
  const pauseMs = Math.round(Math.min(pauseMsMax, pauseMsFirst * 2 ** (tries - 1)) * (0.5 + random / 2));
  switch (outcome) {
    case 'done':
      if (step === 'fence') return { next: 'look', proofs: { ...proofs, fenced: true } };
      if (step === 'drain') return { next: 'look', proofs: { ...proofs, drained: true } };
      return { next: 'look', proofs };
    case 'nullFound':
      return tries < triesMax ? { next: 'retry', proofs: noProofs, pauseMs } : { next: 'fail', code: 'NullFound' };
    case 'lockTimeout':
      return tries < triesMax ? { next: 'retry', proofs, pauseMs } : { next: 'fail', code: 'LockTimeout' };
    case 'unknown':
      return { next: 'reconcile' };
    case 'refused':
      return { next: 'fail', code: 'Refused' };
    default:
      return assertNever(outcome);
  }
}
