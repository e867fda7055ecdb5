import type { ApplicationLine } from '../application/main.js';
import { errorsOf } from '../application/tally.js';
import type { ConsumerLine } from '../consumer/main.js';
import type { Leftovers, TableVerdict } from '../oracle.js';
import type { MigrationStatus } from './api.js';
import type { LatencyReport } from './latency.js';
import type { SweepPace, TableSize } from './measure.js';
import { grouped } from './output.js';

/** Everything that was measured; the report only judges and prints. */
export interface ReportFacts {
  /** The old application before the service was there. */
  readonly control: ApplicationLine;
  /** The old application's last line: its whole tally, its waits since the service was there. */
  readonly old: ApplicationLine;
  /** The new version's last line. */
  readonly now: ApplicationLine | undefined;
  readonly latency: LatencyReport;
  readonly status: MigrationStatus;
  readonly published: Extract<ConsumerLine, { kind: 'final' }>;
  readonly sizes: { readonly before: readonly TableSize[]; readonly after: readonly TableSize[] };
  readonly sweep: SweepPace;
  readonly tables: readonly TableVerdict[];
  /** What the plan asked for and is not there. */
  readonly missing: readonly string[];
  readonly left: Leftovers & { readonly topics: readonly string[]; readonly reported: readonly string[] };
}

export interface Line {
  readonly text: string;
  /** True when this line is why the demo exits 1. */
  readonly wrong: boolean;
}

export const line = (text: string, wrong = false): Line => ({ text, wrong });
export const list = (items: readonly string[]): string => (items.length > 0 ? items.join(', ') : 'none');

/** As the filler judges them. */
const verdictOrder = ['parked', 'filled', 'already', 'gone', 'unfillable', 'contended', 'deadLetter'];

/** All of it, line by line; a line is wrong or it is not. */
export function report(facts: ReportFacts): Line[] {
  return [
    ...filled(facts),
    ...speed(facts),
    ...growthLines(facts.sizes),
    ...ddlLines(facts.status),
    ...application(facts),
    ...eventLines(facts.published),
    ...verdicts(facts),
  ];
}

/** Rows by who filled them. */
export const sourcesOf = (status: MigrationStatus) => ({
  sum: (source: 'sweep' | 'live' | 'tailPass'): number =>
    status.tables.reduce((total, table) => total + table.filled[source], 0),
  bridged: (outcome: string): number =>
    status.bridge.filter((use) => use.outcome === outcome).reduce((total, use) => total + Number(use.statements), 0),
});

function filled({ status, now }: ReportFacts): Line[] {
  const { sum, bridged } = sourcesOf(status);
  // a new organization is an Organization, a Workspace, and then rows that carry the column
  const own = now ? now.tally.inserted + now.tally.copied - 2 * now.tally.organizations : 0;
  const sources: [string, number][] = [
    ['sweep', sum('sweep')],
    ['live fill', sum('live')],
    ['tail pass', sum('tailPass')],
    ['bridge', bridged('resolved')],
    ['application itself', own],
  ];
  const failed = bridged('failed') + bridged('left_null');
  const unfillable = status.tables.reduce((total, table) => total + table.unfillable, 0);
  const unread = status.hints['deadLetter'] ?? 0;
  return [
    line(
      `rows filled by     ${sources.map(([name, rows]) => `${name} ${grouped(rows)}`).join(' · ')}`,
      sum('sweep') === 0 || sum('live') === 0,
    ),
    line(
      `bridge             resolved ${grouped(bridged('resolved'))} (rolled back ones included), left without a value ${grouped(failed)}`,
      failed > 0,
    ),
    line(
      `hints by verdict   ${verdictOrder
        .map((verdict) => `${verdict} ${grouped(status.hints[verdict] ?? 0)}`)
        .join(' · ')}`,
      unread > 0,
    ),
    line(`unfillable rows    ${grouped(unfillable)}`, unfillable > 0),
  ];
}

function speed({ latency, sweep }: ReportFacts): Line[] {
  const { count, p50, p99, worst, problems } = latency;
  const perSecond = sweep.ms > 0 ? (sweep.rows / sweep.ms) * 1_000 : 0;
  return [
    line(
      count > 0
        ? `insert → filled    p50 ${p50} ms, p99 ${p99} ms, worst ${worst} ms (${count} inserts before the bridge)`
        : 'insert → filled    not measured: no insert was filled before the bridge',
      count === 0 || problems.length > 0,
    ),
    ...problems.map((problem) => line(`                   ${problem}`, true)),
    line(
      `sweep              ${grouped(perSecond)} rows/s: ${grouped(sweep.rows)} rows in ${(sweep.ms / 1_000).toFixed(1)} s beside the application`,
    ),
  ];
}

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
const percent = (before: number, after: number): string =>
  before > 0 ? `${(((after - before) / before) * 100).toFixed(0)} %` : 'n/a';

export function growthLines(sizes: ReportFacts['sizes']): Line[] {
  return sizes.after.map(({ table, heapBytes, totalBytes }) => {
    const was = sizes.before.find((before) => before.table === table);
    const [heap, total] = [was?.heapBytes ?? 0, was?.totalBytes ?? 0];
    return line(
      `growth ${table.padEnd(12)} table ${mebibytes(heap)} → ${mebibytes(heapBytes)} (${percent(heap, heapBytes)}), ` +
        `with indexes, the plan's new ones too, ${mebibytes(total)} → ${mebibytes(totalBytes)}`,
    );
  });
}

export function ddlLines(status: MigrationStatus): Line[] {
  const table = (name: string | null): string => name?.replace(/^public\./, '') ?? '-';
  return status.ddlSteps.map((step) =>
    line(
      `DDL ${table(step.table).padEnd(13)} ${step.step.padEnd(16)}${step.lockMode.padEnd(24)}` +
        `held ${step.heldMs.toFixed(1)} ms, waited ${step.lockWaitMs.toFixed(1)} ms, attempt ${step.attempts}`,
    ),
  );
}

function application({ control, old, now }: ReportFacts): Line[] {
  const waits = (of: ApplicationLine): string => {
    const { insert, update } = of.probe;
    const worst = Math.max(insert.worst, update.worst);
    return `insert p50 ${insert.p50} / p99 ${insert.p99} ms, update p50 ${update.p50} / p99 ${update.p99} ms, worst ${worst} ms`;
  };
  const errors = (of: ApplicationLine | undefined): Line => {
    if (!of) return line('application        its new version printed no final line', true);
    const count = errorsOf(of.tally);
    const codes = Object.entries(of.tally.errors).map(([code, times]) => `${code} × ${times}`);
    const samples = of.tally.errorSamples
      .slice(0, 3)
      .map(({ operation, code, message }) => `${operation}: ${code} ${message}`);
    return line(
      `${of.version} application    errors ${count}${count > 0 ? ` (${codes.join(', ')}; ${samples.join('; ')})` : ''} in ${grouped(of.tally.transactions)} transactions, ${grouped(of.tally.inserted + of.tally.copied)} rows inserted`,
      count > 0,
    );
  };
  return [
    errors(old),
    errors(now),
    line(`waits without us   ${waits(control)}`),
    line(`waits with us      ${waits(old)}`),
    ...(now ? [line(`waits, new version ${waits(now)}`)] : []),
  ];
}

export function eventLines(published: ReportFacts['published']): Line[] {
  const { events: count, duplicates, problems } = published;
  const said = problems.length > 0 ? `: ${problems.slice(0, 5).join('; ')}` : '';
  return [
    line(
      `migration events   ${count} read from Kafka, ${duplicates} twice, ${problems.length} problems${said}`,
      problems.length > 0,
    ),
  ];
}

function verdicts({ tables, missing, left }: ReportFacts): Line[] {
  const leftovers = Object.entries<readonly string[]>({ ...left }).flatMap(([kind, names]) =>
    names.map((name) => `${kind}: ${name}`),
  );
  return [
    ...tables.map(({ table, rows, nulls, wrong }) =>
      line(`oracle ${table.padEnd(12)} ${grouped(rows)} rows, ${nulls} NULL, ${wrong} wrong`, nulls > 0 || wrong > 0),
    ),
    line(`missing            ${list(missing)}`, missing.length > 0),
    line(`left behind        ${list(leftovers)}`, leftovers.length > 0),
  ];
}
