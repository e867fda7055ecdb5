import { isRefusal } from '@highwater/kernel';
import type { CommandData, CommandType, Issued, MigrationCommand } from './commands.js';
import { command } from './commands.js';
import { decide } from './decide.js';
import { fold } from './evolve.js';
import type { MigrationEvent } from './events.js';
import type { Migration, Phase } from './state.js';

// Commands and histories of an ordinary run, for specs and for whoever wants to see one. Not exported from the lib.

export const issued: Issued = { at: '2026-09-05T10:00:00.000Z', metadata: { actor: 'ada' } };
const group = { table: 'public.Group', target: 'workspaceId' };
const dataExport = { table: 'public.DataExport', target: 'workspaceId' };

const limits = {
  lockBudgetMs: 500,
  rowBudgetMs: 200,
  lockAttempts: 5,
  sweepWorkers: 2,
  replicaLagMs: 10_000,
  chunkRowsMax: 5_000,
  sweepRowsPerSecondMax: 0,
};

/** A well-formed command that is current in `state`. */
export function sampleData(state: Migration): CommandData {
  const epoch = state.phase === 'none' ? 0 : state.epoch;
  const attempt = state.phase === 'none' ? 1 : Math.max(1, state.cutoverAttempts);
  return {
    Plan: {
      planHash: 'f'.repeat(64),
      planSource: 'highwater: 1\n',
      short: '0a1b2c3d',
      tables: [
        { ...group, notNull: true },
        { ...dataExport, notNull: false },
      ],
      mode: 'bridge',
      stream: true,
      cutoverStart: 'manual',
      windowMs: 600_000,
      approvals: 0,
      limits,
    },
    RecordPreflightPassed: { warnings: [], acceptedWarnings: [], fingerprint: 'fp-1' },
    RecordPreflightFailed: { failures: [{ check: 'WalLevel', message: 'wal_level is replica' }] },
    RecordExpanded: { columns: [] },
    RecordStreamOpened: {
      epoch: epoch + 1,
      slot: `hw_0a1b2c3d_${epoch + 1}`,
      publication: 'hw_0a1b2c3d',
      publicationOid: 16_500,
      publicationDefinition: 'insert: public.Group (id)',
      topic: 'highwater.organization-to-workspace.hints',
      topicId: 'q83vEg',
      partitions: 4,
      consistentPoint: '0/1A2B3C4D',
      systemIdentifier: '7412345678901234567',
    },
    RecordStreamBroken: { epoch, reason: 'SlotLost', message: 'wal_status lost' },
    StartSweep: { epoch, tables: [{ ...group, ranges: 8, rowsEstimated: 1_000 }] },
    RecordSweepCompleted: { epoch, filled: 1_000, unfillable: 0 },
    RecordBridged: { epoch, mode: 'assign', at: issued.at, tables: [group] },
    Pause: { reason: 'lunch' },
    Resume: { reason: 'back' },
    Halt: { reason: 'incident' },
    ChangeLimits: { limits: { sweepWorkers: state.phase === 'none' ? 1 : state.limits.sweepWorkers + 1 } },
    RecordVerification: {
      checked: 1_000,
      mismatches: 0,
      unfillable: 0,
      tables: [{ ...group, checked: 1_000, mismatches: 0, unfillable: 0 }],
    },
    RecordReadiness: {
      ready: true,
      generation: '7',
      conditions: [{ type: 'Verified', status: 'True', reason: 'NoMismatches' }],
    },
    Hold: { reason: 'busy evening' },
    Release: { reason: 'quiet now' },
    Approve: { reason: 'read the forecast' },
    RecordFence: { token: `f-${epoch}-${attempt}`, epoch, partitions: 4, roundTripMs: 12.5 },
    CutOver: {
      operationId: `op-${state.phase === 'none' ? 0 : state.cutoverAttempts}-${state.phase}`,
      reason: 'ready',
      expectedGeneration: '7',
      generation: '7',
      conditions: [{ type: 'Verified', status: 'True', reason: 'NoMismatches' }],
    },
    RecordGuarded: { ...group, attempt, heldMs: 3.1, lockWaitMs: 12 },
    RecordEnforced: {
      ...group,
      attempt,
      steps: [{ name: 'setNotNull', lockMode: 'AccessExclusiveLock', heldMs: 0.6, lockWaitMs: 4 }],
    },
    FailCutover: { attempt, table: group, blocker: null, code: 'HW5001', message: 'lock budget ended' },
    RecordCutoverOutcomeUnknown: { attempt, table: group, step: 'setNotNull', message: 'connection ended' },
    ReconcileCutover: { attempt, table: group, found: 'guarded' },
    CompleteCutover: { attempt },
    RecordUnenforced: { tables: [group], reason: 'emergency' },
    RecordRolledBack: { reason: 'not now', undone: [], leftovers: [] },
    RecordFinished: { droppedAt: issued.at, leftovers: [] },
  };
}

export const sample = (type: CommandType, state: Migration, by: Issued = issued): MigrationCommand =>
  command(type, sampleData(state)[type], by) as MigrationCommand;

const pathTo: Readonly<Record<Phase, readonly CommandType[]>> = (() => {
  const preflighted = ['Plan', 'RecordPreflightPassed'] as const;
  const expanded = [...preflighted, 'RecordExpanded'] as const;
  const streaming = [...expanded, 'RecordStreamOpened'] as const;
  const sweeping = [...streaming, 'StartSweep'] as const;
  const swept = [...sweeping, 'RecordSweepCompleted'] as const;
  const bridged = [...swept, 'RecordBridged'] as const;
  const cuttingOver = [...bridged, 'CutOver'] as const;
  const enforced = [...cuttingOver, 'RecordGuarded', 'RecordEnforced', 'CompleteCutover'] as const;
  return {
    none: [],
    planned: ['Plan'],
    preflighted,
    'preflight-failed': ['Plan', 'RecordPreflightFailed'],
    expanded,
    streaming,
    sweeping,
    swept,
    bridged,
    'cutting-over': cuttingOver,
    enforced,
    finished: [...enforced, 'RecordFinished'],
  };
})();

/** The events of the ordinary run up to `phase`. */
export function historyTo(phase: Phase): readonly MigrationEvent[] {
  const events: MigrationEvent[] = [];
  for (const type of pathTo[phase]) {
    const decision = decide(sample(type, fold(events)), fold(events));
    if (isRefusal(decision))
      throw new Error(`the sample history to ${phase} is refused at ${type}: ${decision.refused}`);
    events.push(...decision);
  }
  return events;
}
export const stateIn = (phase: Phase): Migration => fold(historyTo(phase));
