import type { Forecast, MigrationStatus } from '../demo/driver/api.js';
import type { SweepPace, TableSize } from '../demo/driver/measure.js';
import { grouped } from '../demo/driver/output.js';
import { ddlLines, eventLines, growthLines, line, list, sourcesOf } from '../demo/driver/report.js';
import type { Line } from '../demo/driver/report.js';
import type { ConsumerLine } from '../demo/consumer/main.js';
import { errorsOf } from '../demo/application/tally.js';
import type { ApplicationLine } from './application/main.js';
import { countsEach } from './bad-rows.js';
import type { EndState } from './database.js';
import type { Exported } from './export.js';
import type { Rollback } from './rollback.js';
import { foretold } from './row-security.js';
import type { Restricted } from './row-security.js';

/** Everything that was seen; the report only judges and prints. */
export interface Facts {
  readonly streaming: boolean;
  /** As the server says it. */
  readonly serverVersion: string;
  /** Those that get a value. */
  readonly tables: readonly string[];
  readonly mayHaveNone: readonly string[];
  /** Where the seed is not what it says it is. */
  readonly seed: readonly string[];
  readonly control: ApplicationLine;
  readonly listed: {
    readonly rows: ReadonlyMap<string, number>;
    /** Where the hand-written count is not what seed and application say they did. */
    readonly told: readonly string[];
    readonly moved: number;
    /** Rows that the verification named; exactly those that were moved. */
    readonly mismatches: number;
    /** The answer to a cutover while rows were listed, and what its condition counted; undefined: it was accepted. */
    readonly refusal: { readonly answer: string; readonly precheck: string } | undefined;
  };
  /** As it was kept at the start, beside what had become of it when everything was listed and nothing repaired. */
  readonly forecast: Forecast;
  /** What was still NOT NULL after it had been taken back. */
  readonly unenforced: readonly string[];
  /** What the plan's own checks found when the cutover was let through; empty: the plan has none. */
  readonly asserted: readonly { readonly name: string; readonly found: number | null }[];
  /** Tables whose row level security was switched on; empty: the plan has none. */
  readonly restricted: readonly Restricted[];
  readonly old: ApplicationLine;
  readonly now: ApplicationLine | undefined;
  readonly status: MigrationStatus;
  /** Undefined where there is no Kafka. */
  readonly published: Extract<ConsumerLine, { kind: 'final' }> | undefined;
  readonly end: EndState;
  readonly sizes: { readonly before: readonly TableSize[]; readonly after: readonly TableSize[] };
  readonly sweep: SweepPace;
  /** Topics that are there, and what the product says it left. */
  readonly left: readonly string[];
  readonly exported: readonly Exported[];
  readonly rollback: Rollback;
  /** What the product said, when NOT NULL stood, that the team has to do next. */
  readonly next: readonly string[];
}

export const report = (facts: Facts): Line[] => [
  ...badRows(facts),
  ...filled(facts),
  ...forecast(facts.forecast),
  ...growthLines(facts.sizes),
  ...ddlLines(facts.status),
  ...emergency(facts),
  ...facts.asserted.map(({ name, found }) => line(`assertion          ${name}: ${found ?? 'no number'}`, found !== 0)),
  ...facts.restricted.flatMap(rowSecurity),
  ...application(facts),
  ...(facts.published ? eventLines(facts.published) : []),
  ...theEnd(facts),
  ...facts.exported.map(exportLine),
  ...takenBack(facts.rollback),
  ...facts.next.map((step, n) => line(`next for the team  ${n + 1}. ${step}`)),
];

function badRows(facts: Facts): Line[] {
  const { seed, listed, tables, mayHaveNone } = facts;
  const counted = tables.filter((table) => !mayHaveNone.includes(table));
  return [
    ...seed.map((difference) => line(`seed               ${difference}`, true)),
    ...listed.told.map((difference) => line(`bad rows by hand   ${difference}`, true)),
    ...[...listed.rows].map(([what, rows]) =>
      line(
        `listed             ${what}: ${grouped(rows)}, ${mayHaveNone.includes(what.split(' ')[0] ?? '') ? 'which is allowed' : 'as seeded and made'}`,
      ),
    ),
    line(
      `moved after fill   ${listed.moved}, and the verification named ${listed.mismatches}`,
      listed.moved !== listed.mismatches,
    ),
    line(`cutover with them  ${listed.refusal?.answer ?? 'was accepted'}`, listed.refusal === undefined),
    line(
      `pre-check          ${listed.refusal?.precheck ?? ''}`,
      !countsEach(listed.refusal?.precheck ?? '', listed.rows, counted),
    ),
  ];
}

function filled({ streaming, status, sweep, mayHaveNone }: Facts): Line[] {
  const { sum, bridged } = sourcesOf(status);
  const perSecond = sweep.ms > 0 ? (sweep.rows / sweep.ms) * 1_000 : 0;
  const blocking = ({ table }: { table: string }): boolean => !mayHaveNone.includes(table.replace(/^public\./, ''));
  const unresolved = bridged('failed') + (mayHaveNone.length > 0 ? 0 : bridged('left_null'));
  const open = status.tables.filter(blocking).reduce((total, table) => total + table.unfillable, 0);
  return [
    streaming
      ? line(
          `rows filled by     sweep ${grouped(sum('sweep'))} · live fill ${grouped(sum('live'))} · tail pass ${grouped(sum('tailPass'))} · bridge ${grouped(bridged('resolved'))}`,
          // tail passes fill what hints did not in time, which may be nothing
          sum('sweep') === 0 || sum('live') === 0 || bridged('resolved') === 0,
        )
      : line(
          `rows filled by     sweep ${grouped(sum('sweep'))} · tail pass ${grouped(sum('tailPass'))} · retried ${grouped(sum('live'))} · bridge: nobody reports without a stream`,
          sum('sweep') === 0 || sum('tailPass') === 0,
        ),
    line(`sweep              ${grouped(perSecond)} rows/s beside the application, paused and slowed down on purpose`),
    line(`bridge             left without a value ${grouped(unresolved)}`, unresolved > 0),
    line(`unfillable rows    ${grouped(open)} at the end that should have a value`, open > 0),
  ];
}

/** What the forecast says of a table, each number with the share of the rows it was reckoned from. */
export const foresight = (one: Forecast['tables'][number]): { readonly fill: string; readonly none: string } => {
  if (one.rowsSeen === null) return { fill: 'unknown', none: 'unknown' };
  const from = one.sampledPercent === null ? '' : ` (from ${one.sampledPercent.toPrecision(2)} % of the rows)`;
  // a key that is taken shows itself only where all rows are looked at
  const uncounted = one.notes.some((note) => note.startsWith('collisions in ')) ? ', collisions not counted' : '';
  const without = one.unfillable.reduce((sum, { rows }) => sum + rows, 0);
  return { fill: `${grouped(one.filled)}${from}`, none: `${grouped(without)}${from}${uncounted}` };
};

/** Not judged: the application went on writing, and had its accidents, after the forecast was made. */
function forecast({ kept, tables }: Forecast): Line[] {
  return [
    ...tables.map((one) =>
      line(
        `forecast ${one.table.replace(/^public\./, '').padEnd(10)} fill ${foresight(one).fill}, without a value ${foresight(one).none}; became ${grouped(one.outcome?.filled ?? 0)} and ${grouped(one.outcome?.unfillable ?? 0)}`,
      ),
    ),
    ...(kept ? [] : [line('forecast           was not kept at the start', true)]),
  ];
}

function emergency({ unenforced }: Facts): Line[] {
  return [
    line(
      `emergency exit     NOT NULL taken back and enforced again beside the old application; still there meanwhile: ${list(unenforced)}`,
      unenforced.length > 0,
    ),
  ];
}

function rowSecurity({ table, policy, foretold: rows, early, withoutTenant, tenants }: Restricted): Line[] {
  const others = tenants.reduce((sum, one) => sum + one.others, 0);
  return [
    line(
      `row security       ${policy} on ${table}, ${early ? 'on before' : 'after'} its approval; foretold: ${foretold(rows)}`,
      early || rows === null || rows.seenByNobody > 0,
    ),
    line(
      `tenants apart      without a tenant ${grouped(withoutTenant)} rows; ${tenants.length} tenants looked at, each with rows, ${grouped(others)} of another's`,
      withoutTenant > 0 || others > 0 || tenants.length === 0 || tenants.some((one) => one.rows === 0),
    ),
  ];
}

function application({ control, old, now }: Facts): Line[] {
  const waits = ({ probe: { insert, update } }: ApplicationLine): string =>
    `insert p50 ${insert.p50} / p99 ${insert.p99} ms, update p50 ${update.p50} / p99 ${update.p99} ms, worst ${Math.max(insert.worst, update.worst)} ms`;
  const errors = (of: ApplicationLine | undefined): Line => {
    if (!of) return line('application        its new version printed no final line', true);
    const { errors, errorSamples, transactions, rows } = of.tally;
    const samples = errorSamples
      .slice(0, 3)
      .map(({ operation, code, message }) => ` (${operation}: ${code} ${message})`);
    const did = Object.entries(rows).map(([what, n]) => `${what} ${grouped(n)}`);
    return line(
      `${of.version} application    errors ${errorsOf({ errors })}${samples.join('')} in ${grouped(transactions)} transactions; rows ${did.join(', ')}`,
      errorsOf({ errors }) > 0 || transactions === 0,
    );
  };
  return [
    errors(old),
    errors(now),
    line(`waits without us   ${waits(control)}`),
    line(`waits with us      ${waits(old)}`),
  ];
}

function theEnd({ end, left }: Facts): Line[] {
  const missing = end.standing.filter(({ holds }) => !holds).map(({ what }) => what);
  const leftovers = [
    ...left,
    ...Object.entries<readonly string[]>({ ...end.leftovers }).flatMap(([kind, names]) =>
      names.map((name) => `${kind}: ${name}`),
    ),
  ];
  return [
    ...end.tables.map(({ table, rows, nulls, wrong }) =>
      line(`oracle ${table.padEnd(12)} ${grouped(rows)} rows, ${nulls} NULL, ${wrong} wrong`, wrong > 0 || rows === 0),
    ),
    line(`end state          ${end.standing.length - missing.length} of ${end.standing.length} hold`),
    line(`missing            ${list(missing)}`, missing.length > 0),
    line(`left behind        ${list(leftovers)}`, leftovers.length > 0),
  ];
}

function exportLine({ form, differences, back }: Exported): Line {
  const from = differences.length === 0 ? 'an equal catalog' : `another catalog: ${list(differences)}`;
  const down = back && (back.length === 0 ? '; down takes it back' : `; down leaves ${list(back)}`);
  return line(
    `export ${form.padEnd(11)} run on the team's schema without rows: ${from}${down ?? ''}`,
    differences.length > 0 || (back?.length ?? 0) > 0,
  );
}

function takenBack({ kept, catalog, rows, entities, afterwards }: Rollback): Line[] {
  const errors = errorsOf(afterwards.tally);
  return [
    line(
      `rollback           the catalog is ${catalog.length === 0 ? 'what it was' : `not what it was: ${list(catalog)}`}`,
      catalog.length > 0,
    ),
    line(`rows changed       ${list(rows)}`, rows.length > 0),
    ...entities.map(({ table, made, kept: stay, idle }) =>
      line(
        `made ${table}: ${grouped(made)}, of which ${grouped(stay)} stay, ${grouped(stay - idle)} because rows refer to them`,
        idle > 0,
      ),
    ),
    ...kept.map((what) => line(`kept               ${what}`)),
    line(
      `old version again  errors ${errors} in ${grouped(afterwards.tally.transactions)} transactions`,
      errors > 0 || afterwards.tally.transactions === 0,
    ),
  ];
}
