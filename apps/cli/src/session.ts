import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { HighwaterError, type ErrorCode } from '@highwater/kernel';
import { httpDefault, type Environment, type Operation } from '@highwater/roles';
import { cliCodes } from './codes.js';
import { jsonLine, type Format, type Terminal } from './output.js';
import { ServiceClient } from './service-client.js';

const followEveryMs = 200;

/** Options that every verb knows. */
export interface CommonOptions {
  readonly output: Format;
  readonly server?: string;
}

/** One run of the CLI: what the verbs need of the process around them. */
export class Session {
  /** The plan file of this run, as errors name it. */
  file = 'plan.yaml';
  format: Format = 'table';

  constructor(
    readonly terminal: Terminal,
    readonly environment: Environment,
    /** Fires on Ctrl-C and SIGTERM. */
    readonly signal: AbortSignal,
  ) {}

  readPlanFile(path: string): string {
    this.file = path;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      throw new HighwaterError(
        cliCodes.noFile,
        'never',
        `plan file ${path} cannot be read (${code})`,
        { path },
        'name the YAML file of the plan; highwater plan <file> judges one without a database',
      );
    }
  }

  client(options: CommonOptions): ServiceClient {
    return new ServiceClient(options.server ?? this.environment['HIGHWATER_HTTP'] ?? httpDefault, this.signal);
  }

  /** A line about what is going on, beside the answer; a record when the answer is for a program. */
  say(event: string, text: string, fields: object = {}): void {
    this.terminal.err(this.format === 'json' ? jsonLine({ event, message: text, ...fields }) : `${text}\n`);
  }

  /** Waits; throws when interrupted. */
  async pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.signal });
  }

  /** The same, given up when interrupted: it may be behind a question that nobody answers, and is not asked what becomes of it. */
  async unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    const interrupted = pause(2 ** 31 - 1, undefined, { signal: this.signal, ref: false });
    return Promise.race([work, interrupted.then(() => work)]);
  }

  /** Follows an operation until it is over; throws what it failed with. */
  async follow(
    operation: Operation,
    ask: (id: string) => Promise<Operation | undefined>,
    meanwhile: () => Promise<void> = () => Promise.resolve(),
  ): Promise<Operation> {
    let now = operation;
    while (now.status === 'accepted' || now.status === 'running') {
      await this.pause(followEveryMs);
      now = (await ask(operation.id)) ?? now;
      await meanwhile();
    }
    if (now.status === 'succeeded') return now;
    const { code, message, help } = now.error ?? { code: cliCodes.operationFailed, message: `${now.verb} failed` };
    throw new HighwaterError(code as ErrorCode, 'never', message, { operation: now.id }, help);
  }
}

/** The migration meant: the one named, else the only one that is not finished. */
export async function whichMigration(client: ServiceClient, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const live = (await client.list()).filter((one) => one.phase !== 'finished' && one.phase !== 'none');
  const [only] = live;
  if (only && live.length === 1) return only.id;
  throw new HighwaterError(
    cliCodes.usage,
    'never',
    live.length === 0
      ? 'no migration is live'
      : `${live.length} migrations are live: ${live.map((one) => one.id).join(', ')}`,
    {},
    live.length === 0 ? 'highwater start plan.yaml' : 'name one of them',
  );
}
