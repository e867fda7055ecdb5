/** Unknown is not ready (Kubernetes' three states of a condition). */
export const conditionStatuses = ['True', 'False', 'Unknown'] as const;
export type ConditionStatus = (typeof conditionStatuses)[number];

/** The conditions of DESIGN section 8; a migration has `WritersConverted` or `BridgeResolves`, never both. */
export const conditionTypes = [
  'PreflightPassed',
  'SchemaUnchanged',
  'PublicationIntact',
  'SlotHealthy',
  'StreamCaughtUp',
  'SweepComplete',
  'NullCountZero',
  'NoUnfillableRows',
  'WritersConverted',
  'BridgeResolves',
  'Verified',
  'NoLockBlockers',
  'Approved',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

/** What one evaluation says about one condition; evidence holds counts, names and times, never row data. */
export interface Finding {
  readonly status: ConditionStatus;
  readonly reason: string;
  /** Names the obstacle and what would clear it. */
  readonly message: string;
  readonly evidence: Readonly<Record<string, unknown>>;
}

export interface Condition extends Finding {
  readonly type: ConditionType;
  /** When `status` last changed, ISO. */
  readonly lastTransitionTime: string;
}

export const holds = (reason: string, message: string, evidence: Finding['evidence'] = {}): Finding => ({
  status: 'True',
  reason,
  message,
  evidence,
});
export const fails = (reason: string, message: string, evidence: Finding['evidence'] = {}): Finding => ({
  status: 'False',
  reason,
  message,
  evidence,
});
export const unknown = (reason: string, message: string, evidence: Finding['evidence'] = {}): Finding => ({
  status: 'Unknown',
  reason,
  message,
  evidence,
});
