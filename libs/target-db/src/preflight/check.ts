import type { ErrorCode } from '@highwater/kernel';
import { preflightCodes, type CheckName } from './codes.js';

export interface PreflightCheck {
  /** Stable: what `accept:` in a plan names. */
  readonly check: CheckName;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly code: ErrorCode;
  readonly message: string;
  /** Quoted table, where one is meant. */
  readonly table?: string;
  /** The statement that mends it, to be run by an administrator. */
  readonly fixSql?: string;
  /** A warning that blocks until the plan accepts it by name. */
  readonly needsAcceptance: boolean;
  readonly accepted: boolean;
}

export interface Finding {
  readonly check: CheckName;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly message: string;
  readonly table?: string;
  readonly fixSql?: string;
  readonly needsAcceptance?: boolean;
}

export function judge(finding: Finding, accept: readonly string[]): PreflightCheck {
  const needsAcceptance = finding.status === 'warn' && finding.needsAcceptance === true;
  const accepted = needsAcceptance && accept.includes(finding.check);
  const message =
    needsAcceptance && !accepted
      ? `${finding.message}; to go on all the same: accept: [${finding.check}]`
      : finding.message;
  return { ...finding, code: preflightCodes[finding.check], message, needsAcceptance, accepted };
}

/** What keeps the migration from starting. */
export const blocking = (checks: readonly PreflightCheck[]): PreflightCheck[] =>
  checks.filter((c) => c.status === 'fail' || (c.needsAcceptance && !c.accepted));
