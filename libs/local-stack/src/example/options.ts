import { parseArgs } from 'node:util';

/** What the command line cannot be used for: exit code 64. */
export class BadUsage extends Error {}

export interface ExampleOptions {
  readonly name: string;
  readonly rows: number;
  readonly writers: number;
  readonly rate: number;
  readonly seed: number;
  readonly keep: boolean;
  /** `none`: without Kafka and without a slot, whatever the plan says; `plan`: as the plan says. */
  readonly stream: 'plan' | 'none';
  /** Where the report is written as a page; undefined: nowhere. */
  readonly report: string | undefined;
}

const optionsText = (rows: number): string => `  --rows n      rows of the largest table (default ${rows})
  --writers n   writers of the application (default 3)
  --rate n      rows per second of all writers together (default 100)
  --seed n      the same number makes the same rows (default 1)
  --stream none no Kafka and no replication slot: the sweep and the tail passes alone
  --report file the report as a page, with machine and versions
  --keep        leave servers and service running at the end, until Ctrl-C
  --help        this text

Servers: HIGHWATER_DATABASE_URL, else PostgreSQL from npm. HIGHWATER_KAFKA_BROKERS, else Docker, else Java 17 with Maven.
Exit codes: 0 everything in the report is right, 1 something is not (the report says which line), 64 bad usage.
`;

export const usage = (names: readonly string[]): string => `npm run example <name> -- [options]

One team's whole migration on a real PostgreSQL and a real Kafka, with their old application writing all the while:
${names.map((name) => `  ${name}`).join('\n')}

${optionsText(5_000)}`;

const demoRows = 100_000;
export const demoUsage = `npm run demo -- [options]

Highwater's main job on a real PostgreSQL and a real Kafka, while an old application keeps writing: the example organization-to-workspace in full.

${optionsText(demoRows)}`;

/** 'help' when only the text was asked for. Errors: BadUsage. */
export function parseOptions(args: readonly string[], names: readonly string[]): ExampleOptions | 'help' {
  const { values, positionals } = read(args, 5_000);
  if (values.help) return 'help';
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0 || !names.includes(name))
    throw new BadUsage(
      name === undefined ? 'which example?' : `there is no example "${positionals.join(' ')}"; see the list below`,
    );
  return optionsOf(name, values);
}

/** The same of `npm run demo`, which takes no name. */
export function parseDemoOptions(args: readonly string[]): ExampleOptions | 'help' {
  const { values, positionals } = read(args, demoRows);
  if (positionals.length > 0) throw new BadUsage(`Unexpected argument '${positionals.join(' ')}'`);
  return values.help ? 'help' : optionsOf('organization-to-workspace', values);
}

function optionsOf(name: string, values: ReturnType<typeof read>['values']): ExampleOptions {
  return {
    name,
    rows: whole('rows', values.rows, 1_000, 10_000_000),
    writers: whole('writers', values.writers, 1, 50),
    rate: whole('rate', values.rate, 1, 100_000),
    seed: whole('seed', values.seed, 0, 1_000_000),
    keep: values.keep,
    stream: streamOf(values.stream),
    report: values.report,
  };
}

function read(args: readonly string[], rows: number) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rows: { type: 'string', default: String(rows) },
        writers: { type: 'string', default: '3' },
        rate: { type: 'string', default: '100' },
        seed: { type: 'string', default: '1' },
        stream: { type: 'string' },
        report: { type: 'string' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new BadUsage(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error));
  }
}

function streamOf(text: string | undefined): ExampleOptions['stream'] {
  if (text === undefined || text === 'none') return text ?? 'plan';
  throw new BadUsage(`--stream is "${text}"; expected none, or no such option`);
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new BadUsage(`--${name} is "${text}"; expected a whole number from ${min} to ${max}`);
}
