import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, inject } from 'vitest';
import { defaultMajor, startPostgres } from '@highwater/local-stack';
import type { PostgresMajor, PostgresOptions, PostgresServer, PostgresTemplate } from '@highwater/local-stack';
// Brings the type of what global-setup provides.
import type {} from '../global-setup.js';

/** Tests crash the server's processes, never the machine: what fsync protects from cannot happen, and it costs most of the time. */
const testSettings = { fsync: 'off', shared_buffers: '128MB' };

const asked = process.env['HIGHWATER_TEST_POSTGRES'];
/** The versions that version-dependent specs run on: the oldest and the newest, or the one that `npm run test:matrix` asks for. */
export const majors: readonly PostgresMajor[] = asked === undefined ? [15, 18] : [Number(asked) as PostgresMajor];

/**
 * One cluster for this spec file: started before its tests, stopped after them. `server()` is only there inside of tests and
 * hooks; `freshDatabase()` answers the superuser's URL of an empty database.
 */
export function usePostgres(options: PostgresOptions = {}): {
  server: () => PostgresServer;
  freshDatabase: (name?: string) => Promise<string>;
} {
  let started: PostgresServer | undefined;
  beforeAll(async () => {
    const major = options.major ?? (asked === undefined ? defaultMajor() : (Number(asked) as PostgresMajor));
    const given = process.env['HIGHWATER_DATABASE_URL'] !== undefined;
    started = await startPostgres({
      ...(given ? {} : { template: await shared<PostgresTemplate>(`postgres/${major}`) }),
      ...options,
      settings: { ...testSettings, ...options.settings },
    });
  });
  afterAll(async () => {
    await started?.stop();
    started = undefined;
  });
  const server = () => {
    if (!started) throw new Error('usePostgres: the cluster runs only inside of tests and hooks');
    return started;
  };
  return { server, freshDatabase: (name = 'test') => server().createDatabase(`${name}_${unique()}`) };
}

/** The run's shared Kafka; the first spec that asks waits for its start. Use `unique()` in topic and group names. */
export const brokers = (): Promise<string[]> => shared('kafka');

async function shared<T>(what: string): Promise<T> {
  const response = await fetch(new URL(what, inject('shared')));
  const { found, error } = (await response.json()) as { found?: T; error?: string };
  if (found === undefined) throw new Error(error ?? `the global setup did not answer with ${what}`);
  return found;
}

/** Six hexadecimal digits, for names that must not meet in a shared server. */
export const unique = (): string => randomBytes(3).toString('hex');

/**
 * How long whatever must come is waited for. Nobody waits longer than it takes, so it is far beyond what a machine with three more workers needs, and
 * below the runner's own limits (vitest.config.ts), which name nothing. Whoever runs tests that are to fail (scripts/mutants.mjs) gives less.
 */
export const patienceMs = Number(process.env['HIGHWATER_TEST_PATIENCE_MS'] ?? 120_000);

/**
 * Asks until `condition` answers something other than undefined and false, and returns it: every 20 ms, after half a second less and less often, from
 * two seconds on every 100 ms; or every `everyMs`, which a state that may be over soon needs. A condition that throws counts as not yet. The error
 * names what is stuck, the last error and, from `describe`, the state.
 */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  options: { timeoutMs?: number; everyMs?: number; describe?: () => unknown } = {},
): Promise<T> {
  const { timeoutMs = patienceMs, everyMs, describe } = options;
  const began = Date.now();
  let last: unknown;
  for (const deadline = began + timeoutMs; ;) {
    try {
      const answer = await condition();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) break;
    // who waits for long asks less often: the questions of four workers are work for the servers that they wait for
    const pauseMs = everyMs ?? Math.min(100, Math.max(20, (Date.now() - began) / 20));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  const state = describe ? `; state: ${await described(describe)}` : '';
  const reason = last === undefined ? '' : `; last error: ${String(last)}`;
  throw new Error(`still waiting after ${timeoutMs / 1000} s for ${what}${state}${reason}`, { cause: last });
}

/** A state that cannot be asked for does not hide what was waited for. */
async function described(describe: () => unknown): Promise<string> {
  try {
    const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
    return JSON.stringify(await withinLimit('the state', Promise.resolve(describe()), 10_000), plain);
  } catch (error) {
    return String(error);
  }
}

/**
 * What takes longer is an error that names what never came and, from `describe`, where it is stuck, instead of the runner's own about a hook.
 */
export async function withinLimit<T>(
  what: string,
  work: Promise<T>,
  timeoutMs = patienceMs,
  describe?: () => string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const state = describe ? `; state: ${describe()}` : '';
      reject(new Error(`still waiting after ${timeoutMs / 1000} s for ${what}${state}`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
