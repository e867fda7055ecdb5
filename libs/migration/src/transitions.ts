import type { CommandType } from './commands.js';
import type { RefusalReason } from './decision.js';
import type { phases } from './state.js';

/** `+` its event, `.` nothing (it has been so already), `x` refused as WrongPhase; else the reason of the refusal. */
export type Expected = '+' | '.' | 'x' | RefusalReason;
type OneFor<Tuple> = { readonly [I in keyof Tuple]: Expected };
type Row = OneFor<typeof phases>;

/**
 * What becomes of a well-formed, current command in each phase, in the order of `phases`, on the plain path (running, not held, stream
 * open, nothing unknown). A new phase or a new command does not compile until every cell is filled. The spec holds `decide` to it, and
 * the console offers the buttons of a phase from it.
 *
 *   none · planned · preflighted · preflight-failed · expanded · streaming · sweeping · swept · bridged · cutting-over · enforced · finished
 */
// prettier-ignore
export const transitions: Readonly<Record<CommandType, Row>> = {
  Plan:                        ['+',         '.', '.', '.', '.', '.', '.', '.', '.', '.', '.', '.'],
  RecordPreflightPassed:       ['Unplanned', '+', '.', '+', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'],
  RecordPreflightFailed:       ['Unplanned', '+', '+', '.', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'],
  RecordExpanded:              ['Unplanned', 'x', '+', 'x', '.', '.', '.', '.', '.', '.', '.', 'x'],
  RecordStreamOpened:          ['Unplanned', 'x', 'x', 'x', '+', 'StreamOpen', 'StreamOpen', 'StreamOpen', 'StreamOpen', 'x', 'StreamOpen', 'x'],
  RecordStreamBroken:          ['Unplanned', 'x', 'x', 'x', 'x', '+', '+', '+', '+', '+', '+', 'x'],
  StartSweep:                  ['Unplanned', 'x', 'x', 'x', 'x', '+', '.', '.', '.', '.', '.', 'x'],
  RecordSweepCompleted:        ['Unplanned', 'x', 'x', 'x', 'x', 'x', '+', '.', '.', '.', '.', 'x'],
  RecordBridged:               ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', '+', '.', '.', '.', 'x'],
  RecordFence:                 ['Unplanned', 'x', 'x', 'x', 'x', '+', '+', '+', '+', '+', 'x', 'x'],
  RecordVerification:          ['Unplanned', 'x', 'x', 'x', 'x', 'x', '+', '+', '+', '+', '+', 'x'],
  Pause:                       ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', '+', '+', 'x'],
  Resume:                      ['Unplanned', '.', '.', '.', '.', '.', '.', '.', '.', '.', '.', 'x'],
  Halt:                        ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', '+', '+', 'x'],
  ChangeLimits:                ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', '+', '+', 'x'],
  RecordReadiness:             ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', '.', '.', '.'],
  Hold:                        ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', '+', 'x', 'x'],
  Release:                     ['Unplanned', '.', '.', '.', '.', '.', '.', '.', '.', '.', 'x', 'x'],
  Approve:                     ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', '+', 'x', 'x'],
  CutOver:                     ['Unplanned', 'NotReady', 'NotReady', 'NotReady', 'NotReady', 'NotReady', 'NotReady', 'NotReady', '+', 'AttemptRunning', '.', 'x'],
  RecordGuarded:               ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'Stale', '+', '.', 'x'],
  RecordEnforced:              ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'Stale', '+', '.', 'x'],
  FailCutover:                 ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'Stale', '+', 'x', 'x'],
  RecordCutoverOutcomeUnknown: ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'Stale', '+', '.', 'x'],
  ReconcileCutover:            ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'Stale', '.', '.', 'x'],
  CompleteCutover:             ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'Stale', 'NotEnforced', '.', 'x'],
  RecordUnenforced:            ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', '.', 'x', '+', 'x'],
  RecordRolledBack:            ['Unplanned', '+', '+', '+', '+', '+', '+', '+', '+', 'x', '+', '+'],
  RecordFinished:              ['Unplanned', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', '+', '.'],
};
