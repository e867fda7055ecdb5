import { eventStoreSessionsMax } from '@highwater/event-store';
import { kafkaReachable } from '@highwater/messaging';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import {
  blocking,
  runPreflight,
  type EntityTarget,
  type PreflightCheck,
  type PreflightRequest,
} from '@highwater/target-db';
import { issue, type ControlContext, type Issuer } from '../context.js';
import { readSchemaFingerprint } from '../footprint.js';
import type { ProcessState } from '../process-state.js';

export interface PreflightOutcome {
  readonly checks: readonly PreflightCheck[];
  readonly failures: readonly { readonly check: string; readonly message: string; readonly help?: string }[];
  readonly warnings: readonly string[];
}

type Inspected = Pick<ProcessState, 'plan' | 'targets' | 'short'> & { readonly entities?: readonly EntityTarget[] };

/** Looks at everything that would stand in the way, without changing anything. */
export async function inspect(
  context: Pick<ControlContext, 'database' | 'kafka'>,
  process: Inspected,
): Promise<PreflightOutcome> {
  const kafka = process.plan.stream === null ? undefined : await lookForKafka(context);
  const checks = await runPreflight({
    database: context.database,
    plan: process.plan,
    targets: process.targets,
    entities: process.entities ?? [],
    ...(kafka === undefined ? {} : { kafka }),
    eventLogSessions: eventStoreSessionsMax,
  });
  return {
    checks,
    failures: blocking(checks).map((one) => ({
      check: one.check,
      message: one.message,
      ...(one.fixSql === undefined ? {} : { help: one.fixSql }),
    })),
    warnings: [...new Set(checks.filter((one) => one.status === 'warn').map((one) => one.check))],
  };
}

/** The same as part of a migration's history. What blocks is a failure; a warning that stays needs no acceptance, or has it. */
export async function preflight(context: ControlContext, process: ProcessState, by: Issuer): Promise<PreflightOutcome> {
  const outcome = await inspect(context, process);
  if (outcome.failures.length > 0) {
    const failures = outcome.failures.map(({ check, message }) => ({ check, message }));
    await issue(context, process.id, 'RecordPreflightFailed', { failures }, by);
    return outcome;
  }
  const fingerprint = await readSchemaFingerprint(context.database.state, process);
  const warnings = [...outcome.warnings];
  const passed = { warnings, acceptedWarnings: warnings, fingerprint: fingerprint.hash };
  await issue(context, process.id, 'RecordPreflightPassed', passed, by);
  return outcome;
}

async function lookForKafka({ kafka }: Pick<ControlContext, 'kafka'>): Promise<NonNullable<PreflightRequest['kafka']>> {
  if (!kafka) {
    const message =
      'the plan has a stream and no Kafka is configured; set HIGHWATER_KAFKA_BROKERS, or write `stream: none`';
    return { reachable: false, message };
  }
  try {
    await kafkaReachable(kafka);
    return { reachable: true };
  } catch (error) {
    const help = isHighwaterError(error) && error.help ? `; ${error.help}` : '';
    return { reachable: false, message: `${messageOf(error)}${help}` };
  }
}
