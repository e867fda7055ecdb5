import type { UnfillableReason } from '@highwater/kernel';
import type { EntityForecast } from './entity-forecast.js';
import type { Colliding, Look } from './look.js';
import { isDeclared, keysBehind, rowsBehind, type Foreseen } from './statements.js';

/** What a plan would do, told before anything is written. */
export interface PlanForecast {
  /** By this process's clock. */
  readonly takenAt: string;
  /** In the plan's order, as `tables`. */
  readonly entities: readonly EntityForecast[];
  readonly tables: readonly TableForecast[];
  /** About all of it. */
  readonly notes: readonly string[];
}

/** Rows of one kind with some of their keys and the statement that shows them: an operator can run it as it is. */
export interface ForecastRows {
  readonly rows: number;
  readonly keys: readonly (readonly string[])[];
  readonly sql: string;
}

export interface TableForecast {
  /** `public.Group`. */
  readonly table: string;
  readonly target: string;
  /** Percentage of the table's pages that was looked at, the counts being scaled up from it; null: every row was. */
  readonly sampledPercent: number | null;
  /** Rows looked at; null with everything else: nothing could be known, `notes` say why. */
  readonly rowsSeen: number | null;
  readonly rows: number;
  readonly alreadySet: number;
  /** Rows that will get their value: those whose rule gives one, without those that would be refused. */
  readonly filled: number;
  /** Which way through the rule gives the value, in the rule's order. */
  readonly branches: readonly { readonly branch: string; readonly rows: number }[];
  /** Rows that will stay without a value, and why; the largest first. */
  readonly unfillable: readonly ({ readonly reason: UnfillableReason } & ForecastRows)[];
  /** Rows that are filled with a value whose parent does not exist: the foreign key of the plan could not be validated. */
  readonly referentMissing: ForecastRows | null;
  readonly collisions: readonly ForecastCollision[];
  readonly notes: readonly string[];
}

/** Rows that would have one key of a unique index together. Where the plan is going to build it they are filled, and listed then: all of them, until they are repaired. */
export interface ForecastCollision extends ForecastRows {
  readonly index: string;
  readonly planned: boolean;
  readonly groups: number;
  /** Of `rows` those that keep no value while the index is there (UniqueConflict); of a planned one, those beyond one for each key. */
  readonly refused: number;
}

/** What a sample stands for: the percentage of the table's pages that it took, and the rows of the table. */
export interface Sample {
  readonly percent: number;
  readonly rows: number;
}

/** @param sample left out: all rows were looked at. */
export function tableForecast(of: Foreseen, look: Look, sample?: Sample): TableForecast {
  const { derivation: d } = of.target;
  const { outcomes } = look;
  // how many pages a sample took is chance, so it is scaled by its rows
  const factor = sample && outcomes.rows > 0 ? sample.rows / outcomes.rows : 1;
  const percent = sample?.percent ?? null;
  const scaled = (rows: number): number => Math.round(rows * factor);
  const collisions = of.uniqueKeys.flatMap((_, i) => collision(of, i, look.colliding[i] ?? null));
  // rows refused by two indexes at once are rare enough not to be looked for
  const refused = collisions.filter(({ planned }) => !planned).reduce((sum, one) => sum + one.refused, 0);
  const referent = { ...outcomes.parentless, rows: scaled(outcomes.parentless.rows) };
  const declared = isDeclared(of);
  const parentless: ForecastRows | null =
    referent.rows === 0
      ? null
      : { ...referent, sql: rowsBehind(of, ({ referentExists }) => `v.value is not null and not (${referentExists})`) };
  const unfillable: { reason: UnfillableReason; rows: number; keys: readonly (readonly string[])[]; sql: string }[] =
    outcomes.withoutValue.map(({ reason, rows, keys }) => ({
      reason,
      rows: scaled(rows),
      keys,
      sql: rowsBehind(of, ({ reason: why }) => `(${why}) = '${reason}'`),
    }));
  if (declared && parentless) unfillable.push({ reason: 'ReferentMissing', ...parentless });
  for (const { planned, refused: rows, keys, sql } of collisions)
    if (!planned && rows > 0) unfillable.push({ reason: 'UniqueConflict', rows, keys, sql });
  return {
    table: `${d.table.schema}.${d.table.name}`,
    target: d.target.name,
    sampledPercent: percent,
    rowsSeen: outcomes.rows,
    rows: scaled(outcomes.rows),
    alreadySet: scaled(outcomes.set),
    filled: Math.max(0, scaled(outcomes.valued) - refused - (declared ? referent.rows : 0)),
    branches: d.branches.labels
      .map((branch, no) => ({ branch, rows: scaled(outcomes.branch(no)) }))
      .filter(({ rows }, _, all) => rows > 0 || all.length === 1),
    unfillable: unfillable.sort((a, b) => b.rows - a.rows),
    referentMissing: declared ? null : parentless,
    collisions,
    notes: notesOf(of, look, percent),
  };
}

function collision(of: Foreseen, no: number, found: Colliding | null): ForecastCollision[] {
  const key = of.uniqueKeys[no];
  if (!key || !found || found.groups === 0) return [];
  const { groups, rows, refused, keys } = found;
  return [{ index: key.name, planned: key.planned, groups, rows, refused, keys, sql: keysBehind(of, key) }];
}

function notesOf({ foreseen, uniqueKeys }: Foreseen, look: Look, percent: number | null): string[] {
  const notes: string[] = [];
  if (!foreseen.stored) notes.push('the column is not there yet: expand adds it');
  if (percent !== null)
    notes.push(
      `from the ${look.outcomes.rows} rows on ${Number(percent.toPrecision(2))} % of the pages: what happens to few rows may be missing here, --exact looks at all`,
    );
  for (const name of foreseen.readAsStored)
    notes.push(`reads ${name} as it is stored now, though this plan fills it: more rows may get a value, fewer none`);
  uniqueKeys.forEach(({ name }, i) => {
    if (look.colliding[i] !== null) return;
    const why = percent === null ? 'it has too many rows, or a column without a hash' : 'a sample cannot show them';
    notes.push(`collisions in ${name} are unknown: ${why}${percent === null ? '' : ', --exact does'}`);
  });
  return notes;
}

/** Nothing is known but why. */
export const unknownForecast = ({ target: { derivation: d } }: Foreseen, why: string): TableForecast => ({
  table: `${d.table.schema}.${d.table.name}`,
  target: d.target.name,
  sampledPercent: null,
  rowsSeen: null,
  rows: 0,
  alreadySet: 0,
  filled: 0,
  branches: [],
  unfillable: [],
  referentMissing: null,
  collisions: [],
  notes: [`unknown: ${why}`],
});
