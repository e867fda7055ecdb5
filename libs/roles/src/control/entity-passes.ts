import type { EntityPass } from '@highwater/target-db';

/** A migration without a stream has no epoch; its passes and ranges are of the first. */
export const epochOf = ({ epoch }: { readonly epoch: number }): number => Math.max(epoch, 1);

/** What decides whether the sources of the entities are passed over again. */
export interface EntityFacts {
  /** Of the latest pass; −1: none in this epoch. */
  readonly pass: number;
  /** The latest pass is under way. */
  readonly open: boolean;
  /** It began after the bridge was there; true while there is none. */
  readonly sinceBridge: boolean;
  /** It began after somebody asked for `finish`; true while nobody has. */
  readonly sinceFinish: boolean;
  /** Sources without their entity when it was over that are not listed, all entities; a count that is not known is one. */
  readonly missing: number;
  readonly msSince: number;
  readonly tookMs: number;
}

/** A pass reads every source row: a small part of the time goes into it, a larger one while somebody waits for what is missing; ten minutes is the longest pause (a pass may have been paused itself). */
const idleFactor = { missing: 5, complete: 20 } as const;
const pauseMsMax = 600_000;
/** While entities are missing somebody waits for them; otherwise hints and bridge make them, and a pass only proves it. */
const pauseMsMin = { missing: 2_000, complete: 15_000 } as const;

/** Whether a new pass over the sources should begin. */
export function entityPassDue(facts: EntityFacts): boolean {
  if (facts.open) return false;
  if (facts.pass < 0 || !facts.sinceBridge || !facts.sinceFinish) return true;
  const which = facts.missing > 0 ? 'missing' : 'complete';
  return facts.msSince > Math.min(pauseMsMax, Math.max(pauseMsMin[which], facts.tookMs * idleFactor[which]));
}

/** The facts from the stored passes. Undefined: the plan has no entities. */
export function entityFacts(
  passes: readonly EntityPass[],
  of: {
    readonly entities: number;
    readonly epoch: number;
    /** ISO. */
    readonly bridgedAt: string | null;
    readonly finishAskedAt: string | null;
  },
): EntityFacts | undefined {
  if (of.entities === 0) return undefined;
  const here = passes.filter((pass) => pass.epoch === of.epoch);
  const all = here.length === of.entities;
  const since = (moment: string | null): boolean =>
    moment === null || (all && here.every((pass) => pass.startedAt.getTime() > Date.parse(moment)));
  return {
    pass: all ? Math.max(...here.map((pass) => pass.pass)) : -1,
    open: all && here.some((pass) => !pass.done),
    sinceBridge: since(of.bridgedAt),
    sinceFinish: since(of.finishAskedAt),
    missing: here.reduce((sum, pass) => sum + (pass.missing ?? 1), 0),
    msSince: Math.min(Infinity, ...here.map((pass) => pass.msSince ?? 0)),
    tookMs: Math.max(0, ...here.map((pass) => pass.tookMs)),
  };
}
