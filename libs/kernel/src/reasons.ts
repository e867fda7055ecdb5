/** Why a row has no value. Closed list: the same words in SQL, API, CLI, metrics and docs. */
export const noValueReasons = [
  'InputNull',
  'ParentMissing',
  'NoMatch',
  'Ambiguous',
  'NotMapped',
  'EntityMissing',
  'FunctionFailed',
] as const;
/** Why a write was refused by the server. */
export const writeRefusedReasons = [
  'UniqueConflict',
  'ReferentMissing',
  'CheckViolation',
  'TriggerRaised',
  'WriteSuppressed',
] as const;

export type NoValueReason = (typeof noValueReasons)[number];
export type WriteRefusedReason = (typeof writeRefusedReasons)[number];
export const unfillableReasons = [...noValueReasons, ...writeRefusedReasons] as const;
export type UnfillableReason = NoValueReason | WriteRefusedReason;

/** What became of a hint; every hint gets exactly one final verdict (`parked` and `contended` are judged again). */
export const verdicts = ['parked', 'filled', 'already', 'gone', 'unfillable', 'contended', 'dead_letter'] as const;
export type Verdict = (typeof verdicts)[number];
