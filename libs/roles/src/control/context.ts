import type { CommandRunner, EventStore } from '@highwater/event-store';
import type { Logger, Metrics } from '@highwater/telemetry';
import type { KafkaSettings } from '@highwater/messaging';
import {
  begunPhases,
  command,
  type CommandData,
  type CommandType,
  type LiveMigration,
  type Migration,
  type MigrationCommand,
  type MigrationEvent,
  type RefusalReason,
} from '@highwater/migration';
import { HighwaterError, type Refusal } from '@highwater/kernel';
import { projectMigration, serverNow, type Database, type StreamInfo } from '@highwater/target-db';
import * as codes from './codes.js';

export type MigrationRunner = CommandRunner<Migration, MigrationCommand, MigrationEvent, RefusalReason>;

/** What every part of the control process works with. */
export interface ControlContext {
  readonly database: Database;
  /** Undefined: only plans with `stream: none` can run. */
  readonly kafka: KafkaSettings | undefined;
  readonly store: EventStore;
  readonly runner: MigrationRunner;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Stream of a migration in the event log. */
export const streamOf = (migrationId: string): string => `migration/${migrationId}`;

/** Who issues a command: a person through an operation, or the service by itself. */
export interface Issuer {
  readonly actor: string;
  readonly operationId?: string;
}
export const service: Issuer = { actor: 'highwater' };

/**
 * Runs one command and brings the projection up to date. A refusal comes back as data; `issue` below turns it into an error.
 */
export async function runCommand<T extends CommandType>(
  context: ControlContext,
  migrationId: string,
  type: T,
  data: CommandData[T],
  by: Issuer = service,
): Promise<{ state: LiveMigration } | { refusal: Refusal<RefusalReason>; state: Migration }> {
  const issued = {
    // events of all processes, and what the server stores itself, are on one clock
    at: (await serverNow(context.database.state)).toISOString(),
    metadata: { actor: by.actor, ...(by.operationId === undefined ? {} : { operationId: by.operationId }) },
  };
  const ran = await context.runner.run(streamOf(migrationId), command(type, data, issued) as MigrationCommand);
  for (const event of ran.accepted ? ran.events : []) {
    context.logger.info(
      { migrationId, event: event.type, actor: by.actor, phase: ran.state.phase },
      `event ${event.type}`,
    );
  }
  if (!ran.accepted) return { refusal: ran.refusal, state: ran.state };
  if (ran.state.phase === 'none') throw new Error('invariant broken: an accepted command left no migration');
  await projectState(context, migrationId, ran.state, ran.version);
  return { state: ran.state };
}

/** The same for a command that must be accepted here; a refusal becomes its error. */
export async function issue<T extends CommandType>(
  context: ControlContext,
  migrationId: string,
  type: T,
  data: CommandData[T],
  by: Issuer = service,
): Promise<LiveMigration> {
  const ran = await runCommand(context, migrationId, type, data, by);
  if ('refusal' in ran) throw refusalError(migrationId, type, ran.refusal);
  return ran.state;
}

/** Writes what relay, filler and sweeper need to know into the migration's row. */
export async function projectState(
  context: ControlContext,
  migrationId: string,
  state: LiveMigration,
  version: number,
): Promise<void> {
  await projectMigration(context.database.state, migrationId, {
    phase: state.phase,
    epoch: state.epoch,
    stream: state.stream === 'open' && state.phase !== 'finished' ? streamInfo(state) : null,
    limits: state.limits,
    gate: gateOf(state),
    streamVersion: BigInt(version),
  });
}

/**
 * What may be written in this state: by sweep and passes, by the live fill. Pause closes the first, halt both. Ranges are there from `sweeping`
 * on; entities are made before the first of them, and as long as there are late sources.
 */
export const gateOf = (state: LiveMigration): { sweep: boolean; live: boolean } => ({
  sweep: state.pause === 'running' && begunPhases.includes(state.phase),
  live: state.pause !== 'halted' && state.stream !== 'none' && begunPhases.includes(state.phase),
});

export function streamInfo(state: LiveMigration): StreamInfo | null {
  const facts = state.streamFacts;
  if (!facts) return null;
  return {
    epoch: facts.epoch,
    slot: facts.slot,
    publication: facts.publication,
    publicationOid: facts.publicationOid,
    publicationDefinition: facts.publicationDefinition,
    topic: facts.topic,
    topicId: facts.topicId,
    deadLetterTopic: facts.topic.replace(/\.hints$/, '.dead-letter'),
    partitions: facts.partitions,
    systemIdentifier: facts.systemIdentifier,
  };
}

/** An expected refusal as the typed error that the API and the CLI show. */
export function refusalError(migrationId: string, asked: string, refusal: Refusal<RefusalReason>): HighwaterError {
  const detail = JSON.stringify(refusal.detail);
  const context = { migration: migrationId, asked, refused: refusal.refused, detail };
  const make = (code: `HW6${string}`, message: string, help?: string): HighwaterError =>
    new HighwaterError(code, 'never', message, context, help);
  switch (refusal.refused) {
    case 'Unplanned':
      return make(codes.unknownMigration, `migration "${migrationId}" does not exist`, 'plan it first');
    case 'AlreadyPlanned':
      return make(
        codes.alreadyPlanned,
        `migration "${migrationId}" exists with another plan; a plan is immutable`,
        'give the new plan another name in `migration:`',
      );
    case 'NotReady':
      return make(
        codes.notReady,
        `migration "${migrationId}" is not ready: ${detail}`,
        'GET /cutover/readiness names each obstacle',
      );
    case 'Stale':
      return make(
        codes.staleGeneration,
        `the readiness generation of migration "${migrationId}" moved on: ${detail}`,
        'read /cutover/readiness again and present its generation in If-Match',
      );
    case 'Paused':
    case 'Held':
      return make(
        codes.stopped,
        `migration "${migrationId}" is ${refusal.refused.toLowerCase()}: ${detail}`,
        'resume or release it first',
      );
    case 'AttemptRunning':
      return make(
        codes.attemptRunning,
        `another cutover attempt of "${migrationId}" is under way: ${detail}`,
        'follow that operation',
      );
    default:
      return make(codes.wrongPhase, `${asked} refused for migration "${migrationId}": ${refusal.refused} ${detail}`);
  }
}
