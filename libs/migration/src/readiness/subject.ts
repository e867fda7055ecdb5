import type { LiveMigration } from '../state.js';

/** What readiness is about: the facts of one plan that decide which conditions apply. */
export interface ReadinessSubject {
  readonly migration: string;
  readonly planHash: string;
  readonly mode: 'bridge' | 'strict';
  readonly stream: boolean;
  readonly approvalsRequired: number;
  readonly approvedBy: readonly string[];
  /** The operator's postponement. */
  readonly held: { readonly at: string; readonly actor: string; readonly reason: string } | null;
  readonly targets: readonly { readonly table: string; readonly target: string; readonly notNull: boolean }[];
}

export const readinessSubject = (migration: string, state: LiveMigration): ReadinessSubject => ({
  migration,
  planHash: state.planHash,
  mode: state.mode,
  stream: state.streamPlanned,
  approvalsRequired: state.approvalsRequired,
  approvedBy: state.approvals.map((approval) => approval.actor),
  held: state.held,
  targets: state.targets.map(({ table, target, notNull }) => ({ table, target, notNull })),
});
