import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Activities, and as many responses. */
  readonly rows: number;
  readonly writers: number;
  /** Rows per second of all writers together. */
  readonly rate: number;
  readonly seed: number;
  /** Leave everything running at the end, until Ctrl-C. */
  readonly keep: boolean;
}

export const usage = `npm run demo -- [options]

Highwater's main job on a real PostgreSQL and a real Kafka, while an old application keeps writing.

  --rows n      activities, and as many responses (default 500000)
  --writers n   writers of the application (default 4)
  --rate n      rows per second of all writers together (default 200)
  --seed n      the same number makes the same rows (default 1)
  --keep        leave servers and service running at the end, until Ctrl-C
  --help        this text

Servers: HIGHWATER_DATABASE_URL, else PostgreSQL from npm. HIGHWATER_KAFKA_BROKERS, else Docker, else Java 17 with Maven.
Exit codes: 0 everything in the report is right, 1 something is not (the report says which line), 64 bad usage.
`;

/** What the command line cannot be used for: exit code 64. */
export class BadUsage extends Error {}

/** 'help' when only the text was asked for. Errors: BadUsage. */
export function parseOptions(args: readonly string[]): DemoOptions | 'help' {
  const values = read(args);
  if (values.help) return 'help';
  return {
    rows: whole('rows', values.rows, 100, 50_000_000),
    writers: whole('writers', values.writers, 1, 50),
    rate: whole('rate', values.rate, 1, 100_000),
    seed: whole('seed', values.seed, 0, 1_000_000),
    keep: values.keep,
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rows: { type: 'string', default: '500000' },
        writers: { type: 'string', default: '4' },
        rate: { type: 'string', default: '200' },
        seed: { type: 'string', default: '1' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new BadUsage(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error));
  }
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new BadUsage(`--${name} is "${text}"; expected a whole number from ${min} to ${max}`);
}
