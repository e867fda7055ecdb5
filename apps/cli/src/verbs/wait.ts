import { HighwaterError, isHighwaterError, parseDurationMs } from '@highwater/kernel';
import { conditionTypes, phases } from '@highwater/migration';
import { suggest } from '@highwater/plan';
import { cliCodes } from '../codes.js';
import { json } from '../output.js';
import type { ServiceClient } from '../service-client.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface WaitOptions extends CommonOptions {
  readonly for: string;
  readonly timeout: string;
}

const askEveryMs = 500;
/** The service may be restarted, or not have evaluated yet, while we wait for it. */
const passing = new Set<string>([cliCodes.noServer, 'HW6016', 'HW6003', 'HW9002']);

/** Whether it is so, and what is so instead. */
type Look = (client: ServiceClient, migration: string) => Promise<{ readonly met: boolean; readonly found: string }>;

/** Waits until a condition has a status or a phase is reached; exit 6 when the time is over. */
export async function wait(session: Session, named: string | undefined, options: WaitOptions): Promise<void> {
  const look = goalOf(options.for);
  const timeoutMs = parseDurationMs(options.timeout);
  if (timeoutMs === undefined) throw usage(`"${options.timeout}" is no duration`, 'for example --timeout=2h');
  const client = session.client(options);
  const deadline = performance.now() + timeoutMs;
  let found: string;
  let migration: string | undefined;
  for (;;) {
    try {
      migration ??= await whichMigration(client, named);
      const seen = await look(client, migration);
      found = seen.found;
      if (seen.met) {
        session.terminal.out(session.format === 'json' ? json({ migration, for: options.for, found }) : `${found}\n`);
        return;
      }
    } catch (error) {
      if (!isHighwaterError(error) || !passing.has(error.code)) throw error;
      found = error.message;
    }
    const left = deadline - performance.now();
    if (left <= 0)
      throw new HighwaterError(
        cliCodes.notInTime,
        'backoff',
        `${options.for} did not come within ${options.timeout}: ${found}`,
        { ...(migration === undefined ? {} : { migration }), for: options.for },
      );
    await session.pause(Math.min(askEveryMs, left));
  }
}

/** `condition=Ready`, `condition=Verified=False`, `phase=enforced`, `pause=paused` → how to see whether it is so. */
export function goalOf(text: string): Look {
  const [kind, name = '', status = 'True'] = text.split('=');
  if (kind === 'condition') {
    const type = oneOf(name, ['Ready', ...conditionTypes], 'condition');
    const wanted = oneOf(status, ['True', 'False', 'Unknown'], 'status');
    return async (client, migration) => {
      const readiness = await client.readiness(migration);
      if (type === 'Ready') {
        const unmet = readiness.conditions.filter((one) => one.status !== 'True');
        const found = readiness.ready
          ? `ready, generation ${readiness.generation}`
          : `not ready: ${unmet.map((one) => `${one.type} (${one.reason})`).join(', ')}`;
        return { met: wanted === (readiness.ready ? 'True' : 'False'), found };
      }
      const one = readiness.conditions.find((condition) => condition.type === type);
      if (!one) return { met: false, found: `${type} is no condition of this plan` };
      return { met: one.status === wanted, found: `${type} is ${one.status} (${one.reason}): ${one.message}` };
    };
  }
  if (kind === 'phase') {
    const wanted = oneOf(name, phases, 'phase');
    return async (client, migration) => {
      const { phase, reason } = await client.status(migration);
      const reached = (phases as readonly string[]).indexOf(phase) >= phases.indexOf(wanted);
      // a failed preflight is no step forward
      const met = phase === wanted || (reached && phase !== 'preflight-failed');
      return { met, found: met ? `phase ${phase}` : `phase ${phase}: ${reason.code} ${reason.message}` };
    };
  }
  if (kind === 'pause') {
    const wanted = oneOf(name, ['running', 'paused', 'halted'] as const, 'pause');
    return async (client, migration) => {
      const { pause } = await client.status(migration);
      return { met: pause === wanted, found: pause };
    };
  }
  throw usage(
    `cannot wait for "${text}"`,
    'expected condition=<type>[=True|False|Unknown], phase=<phase> or pause=<state>',
  );
}

function oneOf<T extends string>(name: string, known: readonly T[], what: string): T {
  const found = known.find((one) => one === name);
  if (found !== undefined) return found;
  const near = suggest(name, known);
  throw usage(
    `there is no ${what} "${name}"`,
    near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`,
  );
}

const usage = (message: string, help: string): HighwaterError =>
  new HighwaterError(cliCodes.usage, 'never', message, {}, help);
