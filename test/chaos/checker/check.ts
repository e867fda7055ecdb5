import type { History, Verdict } from './history.js';
import { logInvariants } from './log.js';
import { rowInvariants } from './rows.js';
import { streamInvariants } from './stream.js';
import { surroundingInvariants } from './surroundings.js';

const all = [...rowInvariants, ...streamInvariants, ...logInvariants, ...surroundingInvariants].sort(
  ([a], [b]) => order(a) - order(b),
);

function order(invariant: string): number {
  return (invariant.startsWith('L') ? 100 : 0) + Number(invariant.slice(1));
}

/** Every invariant over one recorded run. Pure: the same history gives the same verdicts. */
export const check = (history: History): Verdict[] =>
  all.map(([invariant, says, judge]) => ({ invariant, says, ...judge(history) }));

export const violated = (verdicts: readonly Verdict[]): Verdict[] =>
  verdicts.filter(({ witnesses }) => witnesses.length > 0);

/** One line an invariant; the first few witnesses below the one they speak against. */
export function print(verdicts: readonly Verdict[], witnessesMax = 3): string[] {
  return verdicts.flatMap(({ invariant, says, witnesses, judged }) => [
    `${invariant.padEnd(4)}${witnesses.length > 0 ? 'FAIL' : judged === 0 ? 'none' : 'PASS'}  ${says} (${judged} judged)`,
    ...witnesses.slice(0, witnessesMax).map((text) => `          ${text}`),
    ...(witnesses.length > witnessesMax ? [`          and ${witnesses.length - witnessesMax} more`] : []),
  ]);
}
