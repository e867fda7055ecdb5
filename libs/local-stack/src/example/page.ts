import { cpus, totalmem } from 'node:os';
import { grouped } from '../demo/driver/output.js';
import { sourcesOf } from '../demo/driver/report.js';
import type { ApplicationLine } from './application/main.js';
import { foresight } from './report.js';
import type { Facts } from './report.js';

/** Of which run the page tells. */
export interface PageOf {
  readonly name: string;
  readonly rows: number;
  readonly writers: number;
  readonly rate: number;
  readonly seed: number;
  readonly seconds: number;
  /** Every line of the report was right. */
  readonly right: boolean;
}

type Cell = string | number;
const row = (cells: readonly Cell[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly Cell[], rows: readonly (readonly Cell[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const bare = (name: string | null): string => name?.replace(/^public\./, '') ?? '–';
const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
const growth = (before: number, after: number): string =>
  before > 0 ? `${after >= before ? '+' : ''}${(((after - before) / before) * 100).toFixed(0)} %` : 'n/a';

/** The report as a page that can be kept: what was seen, on which machine, with which versions. */
export function reportPage(facts: Facts, of: PageOf): string {
  return `${[
    `# ${of.name}: one run with ${grouped(of.rows)} rows`,
    setting(facts, of),
    '## Filled',
    filled(facts),
    '## Forecast against outcome',
    forecast(facts),
    '## Growth',
    sizes(facts),
    '## What the application waited for',
    waits(facts),
    '## Locks, step by step',
    locks(facts),
    '## Rows without a value, listed before the repair',
    table(
      ['table, reason, constraint', 'rows'],
      [...facts.listed.rows].map(([what, rows]) => [what, grouped(rows)]),
    ),
    '## Judged by hand-written SQL at the end',
    table(
      ['table', 'rows', 'NULL', 'wrong'],
      facts.end.tables.map((one) => [one.table, grouped(one.rows), grouped(one.nulls), grouped(one.wrong)]),
    ),
    '## Taken back again',
    takenBack(facts),
  ].join('\n\n')}\n`;
}

function takenBack({ rollback: { catalog, rows, entities, kept } }: Facts): string {
  const made = entities.map((one) => [one.table, grouped(one.made), grouped(one.kept)]);
  return [
    `The catalog ${catalog.length === 0 ? 'is what it was' : `**is not what it was**: ${catalog.join('; ')}`}; ${rows.length === 0 ? 'no row of the application was changed or lost' : `**rows changed**: ${rows.join('; ')}`}.`,
    ...(made.length > 0 ? [table(['entity', 'made by the run', 'kept: rows refer to them'], made)] : []),
    ...(kept.length > 0 ? [kept.map((what) => `- kept: ${what}`).join('\n')] : []),
  ].join('\n\n');
}

function setting({ streaming, serverVersion }: Facts, of: PageOf): string {
  const { name, rows, writers, rate, seed, seconds, right } = of;
  const processors = cpus();
  return [
    `\`npm run example ${name} -- --rows ${rows} --writers ${writers} --rate ${rate} --seed ${seed}${streaming ? '' : ' --stream none'}\`: ${seconds.toFixed(0)} s,`,
    `${right ? 'every line of its report right' : '**not every line of its report right**'}.`,
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, shared by server, ${streaming ? 'broker, ' : ''}application and service;`,
    `PostgreSQL ${serverVersion}, Node.js ${process.versions.node}${streaming ? '' : ', no Kafka'}.`,
  ].join('\n');
}

function filled({ status, sweep }: Facts): string {
  const { sum, bridged } = sourcesOf(status);
  return table(
    ['by', 'rows'],
    [
      ['sweep', `${grouped(sum('sweep'))}, ${grouped(sweep.ms > 0 ? (sweep.rows / sweep.ms) * 1_000 : 0)} rows/s`],
      ['live fill and retries', grouped(sum('live'))],
      ['tail passes', grouped(sum('tailPass'))],
      ['bridge', grouped(bridged('resolved'))],
    ],
  );
}

const forecast = ({ forecast: { tables } }: Facts): string =>
  [
    table(
      ['table', 'to fill, foreseen at the start', 'filled when all was listed', 'without a value, foreseen', 'listed'],
      tables.map((one) => [
        bare(one.table),
        foresight(one).fill,
        grouped(one.outcome?.filled ?? 0),
        foresight(one).none,
        grouped(one.outcome?.unfillable ?? 0),
      ]),
    ),
    'The application went on writing, and had its accidents, in between. What is reckoned from a part of the rows misses what few of them have;',
    '`highwater forecast plan.yaml --exact` looks at all.',
  ].join('\n\n');

function sizes({ sizes: { before, after } }: Facts): string {
  const was = new Map(before.map((size) => [size.table, size]));
  return table(
    ['table', 'heap before', 'after', '', 'with indexes before', 'after, the new ones too', ''],
    after.map(({ table: name, heapBytes, totalBytes }) => {
      const { heapBytes: heap = 0, totalBytes: total = 0 } = was.get(name) ?? {};
      const cells = [mebibytes(heap), mebibytes(heapBytes), growth(heap, heapBytes)];
      return [name, ...cells, mebibytes(total), mebibytes(totalBytes), growth(total, totalBytes)];
    }),
  );
}

function waits({ control, old, now }: Facts): string {
  const cells = (who: string, { probe: { insert, update } }: ApplicationLine): Cell[] => [
    who,
    insert.p50,
    insert.p99,
    update.p50,
    update.p99,
    Math.max(insert.worst, update.worst),
  ];
  return [
    table(
      ['milliseconds', 'insert p50', 'p99', 'update p50', 'p99', 'worst'],
      [
        cells('without us', control),
        cells('with us, old version', old),
        ...(now ? [cells('with us, new version', now)] : []),
      ],
    ),
    `Errors the application met: ${Object.values(old.tally.errors).reduce((sum, n) => sum + n, 0)} in ${grouped(old.tally.transactions)} transactions.`,
  ].join('\n\n');
}

const locks = ({ status }: Facts): string =>
  table(
    ['table', 'step', 'lock', 'held ms', 'waited ms', 'attempt'],
    status.ddlSteps.map((step) => [
      bare(step.table),
      step.step,
      step.lockMode,
      step.heldMs.toFixed(1),
      step.lockWaitMs.toFixed(1),
      step.attempts,
    ]),
  );
