import type { EventData, LimitValues, Metadata, TargetName } from './events.js';
import type { ConditionStatus } from './readiness/condition.js';

/** What a condition said at the moment a command was issued. */
export interface ConditionVerdict {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
}

/**
 * Payload of each command. Two kinds: what somebody asks for (`Pause`, `CutOver`), refused when it may not be; and what the control
 * process reports as already done (`Record…`), refused only when it cannot belong to this history.
 */
export interface CommandData {
  readonly Plan: EventData<'Planned'>;
  readonly RecordPreflightPassed: EventData<'PreflightPassed'>;
  readonly RecordPreflightFailed: EventData<'PreflightFailed'>;
  readonly RecordExpanded: EventData<'Expanded'>;
  readonly RecordStreamOpened: EventData<'StreamOpened'>;
  readonly RecordStreamBroken: EventData<'StreamBroken'>;
  readonly StartSweep: EventData<'SweepStarted'>;
  readonly RecordSweepCompleted: EventData<'SweepCompleted'>;
  readonly RecordBridged: EventData<'Bridged'>;
  readonly Pause: { readonly reason: string };
  readonly Resume: { readonly reason: string };
  readonly Halt: { readonly reason: string };
  readonly ChangeLimits: { readonly limits: Partial<LimitValues> };
  readonly RecordVerification: EventData<'VerificationCompleted'>;
  readonly RecordReadiness: {
    readonly ready: boolean;
    readonly generation: string;
    readonly conditions: readonly ConditionVerdict[];
  };
  readonly Hold: { readonly reason: string };
  readonly Release: { readonly reason: string };
  /** `of` left out: the cutover. */
  readonly Approve: { readonly reason: string; readonly of?: 'rowSecurity' | undefined };
  readonly RecordFence: EventData<'FenceReached'>;
  readonly CutOver: {
    readonly operationId: string;
    readonly reason: string;
    /** The generation the caller saw (`If-Match`). */
    readonly expectedGeneration: string;
    /** The generation of `conditions`. */
    readonly generation: string;
    readonly conditions: readonly ConditionVerdict[];
  };
  readonly RecordGuarded: EventData<'Guarded'>;
  readonly RecordEnforced: EventData<'Enforced'>;
  readonly FailCutover: EventData<'CutoverFailed'>;
  readonly RecordCutoverOutcomeUnknown: EventData<'CutoverOutcomeUnknown'>;
  readonly ReconcileCutover: EventData<'CutoverReconciled'>;
  readonly CompleteCutover: { readonly attempt: number };
  readonly RecordUnenforced: { readonly tables: readonly TargetName[]; readonly reason: string };
  readonly RecordRolledBack: EventData<'RolledBack'>;
  readonly RecordFinished: EventData<'Finished'>;
}

export type CommandType = keyof CommandData;

/** When, and on whose behalf, a command was issued; copied to every event it yields. */
export interface Issued {
  readonly at: string;
  readonly metadata: Metadata;
}

export interface CommandOf<T extends CommandType> extends Issued {
  readonly type: T;
  readonly data: CommandData[T];
}
export type MigrationCommand = { [T in CommandType]: CommandOf<T> }[CommandType];

/** `command('Pause', { reason }, { at, metadata })`. */
export const command = <T extends CommandType>(type: T, data: CommandData[T], issued: Issued): CommandOf<T> => ({
  type,
  data,
  at: issued.at,
  metadata: issued.metadata,
});
