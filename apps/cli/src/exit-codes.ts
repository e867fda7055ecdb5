import { isHighwaterError } from '@highwater/kernel';

/** What the process ends with: a contract for scripts (docs of the CLI, exit-codes.spec.ts). */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  differences: 2,
  refusedPlan: 3,
  notReady: 4,
  unknown: 5,
  timeout: 6,
  conflict: 7,
  refusedByRole: 8,
  usage: 64,
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Codes whose meaning for a script is another than their block says. */
const byCode: Readonly<Record<string, ExitCode>> = {
  HW6001: exitCodes.conflict,
  HW6002: exitCodes.conflict,
  HW6010: exitCodes.usage,
  HW6011: exitCodes.notReady,
  HW6012: exitCodes.conflict,
  HW6013: exitCodes.conflict,
  HW6014: exitCodes.conflict,
  HW6015: exitCodes.usage,
  HW6016: exitCodes.unknown,
  HW6017: exitCodes.conflict,
  HW6018: exitCodes.conflict,
  HW6019: exitCodes.conflict,
  HW6020: exitCodes.usage,
  HW6021: exitCodes.usage,
  HW6022: exitCodes.refusedPlan,
  HW6202: exitCodes.usage,
  HW6301: exitCodes.usage,
  HW6302: exitCodes.unknown,
  HW6303: exitCodes.usage,
  HW6305: exitCodes.timeout,
  HW5093: exitCodes.conflict,
  HW5095: exitCodes.conflict,
  HW2003: exitCodes.conflict,
  HW9005: exitCodes.refusedByRole,
};

/** Plan (1) and preflight (2) refuse with 3, settings (95) are bad usage, all else is unexpected. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!isHighwaterError(error)) return exitCodes.unexpected;
  const own = byCode[error.code];
  if (own !== undefined) return own;
  if (/^HW[12]/.test(error.code)) return exitCodes.refusedPlan;
  return error.code.startsWith('HW95') ? exitCodes.usage : exitCodes.unexpected;
}

/** `readiness`: a condition that is False is not ready; when some could only not be evaluated, unknown. */
export const exitCodeOfReadiness = (readiness: {
  readonly ready: boolean;
  readonly conditions: readonly { readonly status: 'True' | 'False' | 'Unknown' }[];
}): ExitCode => {
  if (readiness.ready) return exitCodes.ok;
  return readiness.conditions.some((one) => one.status === 'False') ? exitCodes.notReady : exitCodes.unknown;
};
