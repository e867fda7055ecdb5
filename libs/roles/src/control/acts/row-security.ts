import { HighwaterError, messageOf } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import {
  enableRowSecurity,
  isRestricted,
  rowSecurityFacts,
  type Access,
  type RowSecurityTarget,
} from '@highwater/target-db';
import * as codes from '../codes.js';
import type { ControlContext } from '../context.js';
import type { RowSecurityStatus } from '../port.js';
import type { ProcessState } from '../process-state.js';
import { budgetOf } from './budget.js';

const tryEveryMs = 5_000;

export const rowSecurityOf = ({ plan, targets }: Pick<ProcessState, 'plan' | 'targets'>): RowSecurityTarget[] =>
  targets.flatMap((target) => {
    const planned = plan.tables[target.targetNo]?.rowLevelSecurity;
    return planned === undefined ? [] : [{ target, planned }];
  });

/** As many as the plan asks for the cutover, and never none. */
export const rowSecurityApprovalsNeeded = (state: Pick<LiveMigration, 'approvalsRequired'>): number =>
  Math.max(1, state.approvalsRequired);

export const isRowSecurityApproved = (
  state: Pick<LiveMigration, 'approvalsRequired' | 'rowSecurityApprovals'>,
): boolean => state.rowSecurityApprovals.length >= rowSecurityApprovalsNeeded(state);

/**
 * Switches row level security on: once the migration is enforced, approved for just that, and not stopped. Truth is the catalog, so what a
 * crash left undone is done by whoever comes next; a lock that is not obtained is tried again.
 */
export async function rowSecurityRound(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const wanted = rowSecurityOf(process);
  if (wanted.length === 0 || state.phase !== 'enforced' || state.pause !== 'running' || !isRowSecurityApproved(state))
    return;
  const now = performance.now();
  if (now - (process.rowSecurityTriedAtMs ?? -Infinity) < tryEveryMs) return;
  process.rowSecurityTriedAtMs = now;
  try {
    for (const one of wanted) {
      const outcome = await enableRowSecurity(context.database, one, budgetOf(state, signal));
      if (outcome)
        context.logger.info(
          { migrationId: process.id, table: one.target.derivation.table.ident, policy: one.planned.policy },
          'row level security is on',
        );
    }
    process.rowSecurityTrouble = undefined;
  } catch (error) {
    signal.throwIfAborted();
    process.rowSecurityTrouble = messageOf(error);
    context.logger.warn({ migrationId: process.id, err: error }, 'row level security was not switched on');
  }
}

/** What the status shows of it; null: the plan has none. */
export async function rowSecurityStatus(
  access: Access,
  process: ProcessState,
  state: LiveMigration,
): Promise<RowSecurityStatus | null> {
  const wanted = rowSecurityOf(process);
  if (wanted.length === 0) return null;
  const tables = [];
  for (const one of wanted)
    tables.push({
      table: one.target.derivation.table.ident,
      policy: one.planned.policy,
      on: isRestricted(await rowSecurityFacts(access, one), one.planned),
    });
  return {
    approvals: {
      given: state.rowSecurityApprovals.map((one) => one.actor),
      required: rowSecurityApprovalsNeeded(state),
    },
    tables,
    trouble: process.rowSecurityTrouble ?? null,
  };
}

/** A migration that is finished does nothing any more: what the plan asked for must be on by then, or be left out on purpose. */
export async function refuseWithoutRowSecurity(
  access: Access,
  id: string,
  plan: Pick<ProcessState, 'plan' | 'targets'>,
): Promise<void> {
  for (const one of rowSecurityOf(plan)) {
    if (isRestricted(await rowSecurityFacts(access, one), one.planned)) continue;
    throw new HighwaterError(
      codes.rowSecurityPending,
      'never',
      `finish refused for migration "${id}": row level security of ${one.target.derivation.table.ident} is in the plan and not on`,
      { migration: id, table: one.target.derivation.table.ident },
      'look at `highwater approve --row-security --dry-run`, then approve it; or finish with withoutRowSecurity (--without-row-security)',
    );
  }
}
