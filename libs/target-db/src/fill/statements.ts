import type { CompiledDerivation } from '@highwater/derivation';
import type { FillTarget } from '../target.js';
import { journaled, returningEntry } from './journal.js';

/** Whatever is found by a key: a target's rows, an entity's sources. */
export interface Keyed {
  readonly derivation: Pick<CompiledDerivation, 'key'>;
}

/**
 * How locked rows are named between the lock and the write. `ctid` is stable while the row is locked and is the fastest way back
 * to it, but needs `SELECT (ctid)` and one relation; `key` works everywhere.
 */
export type RowNaming = 'ctid' | 'key';

/** Range of a chunk. Each bound that is there takes one parameter per key column, lower first, starting at `$1`. */
export interface RangeShape {
  readonly after: boolean;
  readonly upTo: boolean;
}

const tuple = (parts: readonly string[]): string => (parts.length === 1 ? String(parts[0]) : `(${parts.join(', ')})`);

/** `r."id"` or `(r."a", r."b")`. */
export const keyTuple = (t: Keyed, alias: string): string => tuple(t.derivation.key.map((k) => `${alias}.${k.ident}`));

/** `$1::bigint` or `($1::text, $2::bigint)`. */
export const parameterTuple = (t: Keyed, from: number): string =>
  tuple(t.derivation.key.map((k, i) => `$${from + i}::${k.type}`));

export const orderBy = (t: Keyed, direction = ''): string =>
  t.derivation.key.map((k) => `r.${k.ident}${direction}`).join(', ');

/** Key columns as the server's own text: `k0`, `k1`, … */
export const keyTexts = (t: Keyed, alias: string): string =>
  t.derivation.key.map((k, i) => `${alias}.${k.ident}::pg_catalog.text as k${i}`).join(', ');

/** Children of plain inheritance have ctids of their own: with ctids the statement must see one relation only. */
export const relation = (t: FillTarget, naming: RowNaming): string =>
  `${naming === 'ctid' ? 'only ' : ''}${t.derivation.table.ident}`;

/** Conditions of a range of keys. */
export function within(t: FillTarget, shape: RangeShape): string[] {
  const width = t.derivation.key.length;
  const conditions: string[] = [];
  if (shape.after) conditions.push(`${keyTuple(t, 'r')} > ${parameterTuple(t, 1)}`);
  if (shape.upTo) conditions.push(`${keyTuple(t, 'r')} <= ${parameterTuple(t, 1 + (shape.after ? width : 0))}`);
  return conditions;
}

export const where = (conditions: readonly string[]): string =>
  conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;

/** Number of parameters the range takes. */
export const rangeWidth = (t: FillTarget, shape: RangeShape): number =>
  t.derivation.key.length * (Number(shape.after) + Number(shape.upTo));

/**
 * The chunk's upper key: the n-th row of the range, n − 1 being the last parameter. No row: the range ends before.
 * @param sparse count only rows that are still NULL (tail pass with the partial index).
 */
export function chunkBound(t: FillTarget, shape: RangeShape, sparse: boolean): string {
  const conditions = within(t, shape);
  if (sparse) conditions.push(`r.${t.derivation.target.ident} is null`);
  return `select ${keyTexts(t, 'r')} from ${t.derivation.table.ident} as r${where(conditions)} order by ${orderBy(t)} offset $${
    rangeWidth(t, shape) + 1
  } limit 1`;
}

/**
 * Locks the NULL rows of a chunk in key order, never waiting for one; names them in one text value.
 * @param rowsMax the first ones only; undefined: all.
 */
export function lockChunk(t: FillTarget, place: readonly string[], naming: RowNaming, rowsMax?: number): string {
  const conditions = [...place, `r.${t.derivation.target.ident} is null`];
  const named = naming === 'ctid' ? 'r.ctid as id' : keyTexts(t, 'r');
  const out =
    naming === 'ctid'
      ? 'pg_catalog.array_agg(q.id)::pg_catalog.text as ids'
      : t.derivation.key.map((_, i) => `pg_catalog.array_agg(q.k${i}) as k${i}`).join(', ');
  return `select ${out}, pg_catalog.count(*)::pg_catalog.int4 as locked from (select ${named} from ${relation(t, naming)} as r${where(
    conditions,
  )} order by ${orderBy(t)}${rowsMax === undefined ? '' : ` limit ${rowsMax}`} for no key update of r skip locked) as q`;
}

/** `r.ctid = any($1)`, or a join with one text array per key column. */
function lockedRows(t: FillTarget, naming: RowNaming): { from: string; condition: string } {
  if (naming === 'ctid')
    return { from: `${relation(t, naming)} as r`, condition: 'r.ctid = any($1::pg_catalog.tid[])' };
  const arrays = t.derivation.key.map((_, i) => `$${i + 1}::pg_catalog.text[]`).join(', ');
  const columns = t.derivation.key.map((_, i) => `k${i}`).join(', ');
  const casts = tuple(t.derivation.key.map((k, i) => `w.k${i}::${k.type}`));
  return {
    from: `rows from (${
      t.derivation.key.length === 1
        ? `pg_catalog.unnest(${arrays})`
        : arrays
            .split(', ')
            .map((a) => `pg_catalog.unnest(${a})`)
            .join(', ')
    }) as w (${columns}) join ${t.derivation.table.ident} as r on ${keyTuple(t, 'r')} = ${casts}`,
    condition: 'true',
  };
}

/**
 * Writes exactly the locked rows, each with the rule's value on this statement's snapshot. Nobody else can change them, so the row
 * looks on that snapshot as it does when it is written (EvalPlanQual never runs). `still`: written, and a trigger took it back.
 * `offset 0` keeps the planner from evaluating the rule twice.
 */
export function fillRows(t: FillTarget, naming: RowNaming): string {
  const { target, expression, key } = t.derivation;
  const rows = lockedRows(t, naming);
  const id = naming === 'ctid' ? 'r.ctid as id' : key.map((k, i) => `r.${k.ident} as k${i}`).join(', ');
  const same = naming === 'ctid' ? 't.ctid = d.id' : key.map((k, i) => `t.${k.ident} = d.k${i}`).join(' and ');
  return `with written as (update ${relation(t, naming)} as t set ${target.ident} = d.value from (select ${id}, (${expression}) as value from ${
    rows.from
  } where ${rows.condition} and r.${target.ident} is null offset 0) as d where ${same} and d.value is not null and t.${
    target.ident
  } is null returning t.${target.ident} is null as still${returningEntry(t, 't')})${journaled(t, 'written')} select pg_catalog.count(*)::pg_catalog.int4 as written, pg_catalog.count(*) filter (where still)::pg_catalog.int4 as still from written`;
}

/** What is still NULL among the locked rows, and why: `reason` is NULL when the rule has a value now. */
export function rowsLeft(t: FillTarget, naming: RowNaming): string {
  const rows = lockedRows(t, naming);
  return `select ${keyTexts(t, 'r')}, (${t.derivation.reason})::pg_catalog.text as reason from ${rows.from} where ${rows.condition} and r.${
    t.derivation.target.ident
  } is null`;
}

/**
 * Looks up, judges and locks the rows named by hints, all on one snapshot. Parameters: one text array per key column, the
 * transaction ids, and whether each is judged whatever its transaction (its holder is gone). One row per hint, by ordinal:
 * `visible`, `present`, `empty` (target NULL on this snapshot), `locked`.
 */
export function judgeHints(t: FillTarget): string {
  const { key, table, target } = t.derivation;
  const n = key.length;
  const arrays = [...key.map((_, i) => `$${i + 1}`), `$${n + 1}`]
    .map((p) => `pg_catalog.unnest(${p}::pg_catalog.text[])`)
    .concat(`pg_catalog.unnest($${n + 2}::pg_catalog.bool[])`)
    .join(', ');
  const names = [...key.map((_, i) => `k${i}`), 'xid', 'forced', 'ordinal'].join(', ');
  const casts = key.map((k, i) => `h.k${i}::${k.type} as k${i}`).join(', ');
  const onRow = key.map((k, i) => `r.${k.ident} = h.k${i}`).join(' and ');
  const onLocked = key.map((_, i) => `l.k${i} = h.k${i}`).join(' and ');
  const ks = key.map((_, i) => `k${i}`).join(', ');
  return `with hint as materialized (select h.ordinal, ${casts}, h.forced or pg_catalog.pg_visible_in_snapshot(h.xid::pg_catalog.xid8, pg_catalog.pg_current_snapshot()) as visible from rows from (${arrays}) with ordinality as h (${names})), wanted as materialized (select distinct ${ks} from hint as h where h.visible), locked as materialized (select ${key
    .map((k, i) => `r.${k.ident} as k${i}`)
    .join(
      ', ',
    )} from wanted as h join ${table.ident} as r on ${onRow} where r.${target.ident} is null order by ${orderBy(t)} for no key update of r skip locked) select h.ordinal::pg_catalog.int4 as ordinal, h.visible, s.present is not null as present, coalesce(s.empty, false) as empty, l.k0 is not null as locked, ${key
    .map((_, i) => `h.k${i}::pg_catalog.text as k${i}`)
    .join(
      ', ',
    )} from hint as h left join lateral (select true as present, r.${target.ident} is null as empty from ${table.ident} as r where h.visible and ${onRow}) as s on true left join locked as l on ${onLocked} order by h.ordinal`;
}

/** Casts keys and transaction ids and does nothing else: fails exactly when one of them is not of its type. */
export function castHints(t: Keyed): string {
  const n = t.derivation.key.length;
  const arrays = Array.from({ length: n + 1 }, (_, i) => `pg_catalog.unnest($${i + 1}::pg_catalog.text[])`).join(', ');
  const names = [...t.derivation.key.map((_, i) => `k${i}`), 'xid'].join(', ');
  const casts = t.derivation.key.map((k, i) => `h.k${i}::${k.type}`).join(', ');
  return `select pg_catalog.count(row(${casts}, h.xid::pg_catalog.xid8)) from rows from (${arrays}) as h (${names})`;
}

/** Rows on some of the pages: `$1` is their percentage. */
export const countSample = (t: FillTarget): string =>
  `select pg_catalog.count(*)::pg_catalog.text as rows from ${relation(t, 'ctid')} as r tablesample system ($1::pg_catalog.float4)`;

/** The last key now: where history ends. */
export const lastKey = (t: FillTarget): string =>
  `select ${keyTexts(t, 'r')} from ${t.derivation.table.ident} as r order by ${orderBy(t, ' desc')} limit 1`;

/** About `$2` sampled keys not above the last one, in the server's order; `$1` is the percentage of pages to look at. */
export function sampleKeys(t: FillTarget): string {
  const n = t.derivation.key.length;
  const upper = parameterTuple(t, 3);
  const names = Array.from({ length: n }, (_, i) => `q.k${i}`).join(', ');
  return `with s as materialized (select ${t.derivation.key
    .map((k) => `r.${k.ident}`)
    .join(
      ', ',
    )} from ${t.derivation.table.ident} as r tablesample system ($1::pg_catalog.float4)), c as (select pg_catalog.count(*) as rows from s) select ${names}, q.rows from (select ${keyTexts(
    t,
    'r',
  )}, pg_catalog.row_number() over (order by ${orderBy(t)}) as place, c.rows from s as r, c where ${keyTuple(
    t,
    'r',
  )} <= ${upper}) as q where q.place % greatest(1, q.rows / $2::pg_catalog.int8) = 0 order by q.place`;
}
