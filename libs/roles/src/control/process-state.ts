import type { Plan } from '@highwater/plan';
import type { FillTarget } from '@highwater/target-db';
import type { WaitReason } from './next-act.js';

/** A migration as its control process holds it: identity, the plan compiled once, and what is only remembered while it runs. */
export interface ProcessState {
  readonly id: string;
  readonly short: string;
  readonly planHash: string;
  readonly plan: Plan;
  readonly targets: readonly FillTarget[];
  /** What is being done, or why nothing is; shown to operators. */
  doing: { code: WaitReason | string; message: string; since: Date };
}

export function say(process: ProcessState, code: string, message: string, now: Date): void {
  if (process.doing.code === code && process.doing.message === message) return;
  process.doing = { code, message, since: process.doing.code === code ? process.doing.since : now };
}
