import type { Refusal } from '@highwater/kernel';
import { refuse } from '@highwater/kernel';
import type { MigrationCommand } from './commands.js';
import type { EventData, EventType, MigrationEvent, TargetName } from './events.js';
import type { Migration, Phase } from './state.js';

/** Why a command was refused. Closed list: the API maps it to a status, the CLI to an exit code. */
export const refusalReasons = [
  'Unplanned',
  'AlreadyPlanned',
  'WrongPhase',
  'NotReady',
  'Stale',
  'Paused',
  'Held',
  'AttemptRunning',
  'AttemptOver',
  'OutcomeUnknown',
  'UnknownTarget',
  'NotEnforced',
  'StreamOpen',
  'NoStream',
] as const;
export type RefusalReason = (typeof refusalReasons)[number];
export type Decision = readonly MigrationEvent[] | Refusal<RefusalReason>;

export const wrongPhase = (state: Migration): Refusal<RefusalReason> => refuse('WrongPhase', { phase: state.phase });
export const isIn = (state: Migration, ...phases: readonly Phase[]): boolean => phases.includes(state.phase);

/** One event, issued as the command was. */
export const yields = <T extends EventType>(
  type: T,
  data: EventData<T>,
  by: Pick<MigrationCommand, 'at' | 'metadata'>,
): readonly MigrationEvent[] => [{ type, data, at: by.at, metadata: by.metadata } as MigrationEvent];
export const already: Decision = [];

/** Two facts of one command: stored together or not at all. */
export const and = (first: readonly MigrationEvent[], second: readonly MigrationEvent[]): Decision => [
  ...first,
  ...second,
];

export const targetOf = ({ table, target }: TargetName): TargetName => ({ table, target });
