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
  /** Fails until the plan's `accept` names it, then warns. Nothing else can be accepted. */
  readonly acceptable?: boolean;
}

/** What a check found, before the plan's `accept` is looked at. */
export interface Finding {
  readonly check: CheckName;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly message: string;
  readonly table?: string;
  readonly fixSql?: string;
  readonly needsAcceptance?: boolean;
}

export function judge({ needsAcceptance, ...finding }: Finding, accept: readonly string[]): PreflightCheck {
  const code = preflightCodes[finding.check];
  if (needsAcceptance !== true) return { ...finding, code };
  if (accept.includes(finding.check)) return { ...finding, code, status: 'warn', acceptable: true };
  const message = `${finding.message}; to go on all the same: accept: [${finding.check}]`;
  return { ...finding, code, status: 'fail', acceptable: true, message };
}

/** What keeps the migration from starting. */
export const blocking = (checks: readonly PreflightCheck[]): PreflightCheck[] =>
  checks.filter((c) => c.status === 'fail');
