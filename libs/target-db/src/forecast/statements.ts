import type { EntitiesToCome, ForeseenDerivation } from '@highwater/derivation';
import type { FillTarget } from '../target.js';
import type { BlockWindow } from '../verify/block-window.js';
import { blocksText, pageConditions } from '../verify/verify-range.js';
import { keysShownMax } from './outcome.js';
import type { UniqueKey } from './unique-keys.js';

/** One target as it is looked at: its rule over what the run will leave, and the keys that its values may complete. */
export interface Foreseen {
  /** With the foreseen texts in its derivation. */
  readonly target: FillTarget;
  readonly foreseen: ForeseenDerivation;
  readonly toCome: readonly EntitiesToCome[];
  readonly uniqueKeys: readonly UniqueKey[];
}

/** Which rows: a page of them in the order of the key (see `pageAfter`), after a key or from the start; or those on some of the pages of the table. */
export type Scope = Page | { readonly kind: 'sample' };
interface Page {
  readonly kind: 'page';
  readonly fromStart: boolean;
  readonly window?: BlockWindow | undefined;
}

/** The target has a foreign key in the catalog, and not in the plan alone. */
export const isDeclared = ({ target: { derivation } }: Foreseen): boolean =>
  derivation.table.foreignKeys.some(({ columns }) => columns.includes(derivation.target.name));

const empty = ({ target, foreseen }: Foreseen): string =>
  foreseen.stored ? `r.${target.derivation.target.ident} is null` : 'true';

const value = (of: Foreseen): string =>
  `cross join lateral (select case when ${empty(of)} then (${of.target.derivation.expression}) end as value offset 0) as v`;

const relation = ({ target }: Foreseen): string =>
  `${target.derivation.table.kind === 'r' ? 'only ' : ''}${target.derivation.table.ident} as r`;

const keyText = ({ target }: Foreseen): string =>
  `array[${target.derivation.key.map((k) => `r.${k.ident}::pg_catalog.text`).join(', ')}]`;

/** Of a page, `$first` is how many rows at most (null: all of the window), and after it comes the key to start after; of a sample, the percentage of the table's pages. */
function rowsOf(of: Foreseen, scope: Scope, first = 1): string {
  const { target, foreseen } = of;
  const list = foreseen.columns.map((ident) => `r.${ident}`).join(', ');
  if (scope.kind === 'sample') return `(select ${list} from ${foreseen.source(sampled)}) as r`;
  const where = pageConditions(target, scope.fromStart, first + 1, scope.window);
  const order = target.derivation.key.map((k) => `r.${k.ident}`).join(', ');
  return `(select ${list} from ${foreseen.source(relation(of))} ${where} order by ${order} limit $${first}) as r`;
}

/** Key and condition of a unique index for a row with its value: `h0.hash`, NULL where the row has no key in it. */
function hashOf(of: Foreseen, key: UniqueKey, no: number): string {
  return `cross join lateral (select case when ${applies(key)} then pg_catalog.hash_record_extended(row(${key.parts.join(', ')}), 0) end as hash from ${filledRow(of)}) as h${no}`;
}

/** The row with its value, its columns under their bare names: what the texts of an index are over. */
function filledRow({ target: { derivation }, foreseen }: Foreseen): string {
  const { ident } = derivation.target;
  const others = foreseen.columns.filter((one) => one !== ident).map((one) => `r.${one}`);
  const stored = foreseen.stored ? `coalesce(r.${ident}, v.value)` : 'v.value';
  return `(select ${[...others, `${stored} as ${ident}`].join(', ')}) as x`;
}

/** A statement behind what it needs of the entities to come, and behind `first`, which those may need. */
export function withToCome(
  toCome: readonly EntitiesToCome[],
  ctes: readonly string[],
  rest: string,
  first = '',
): string {
  let text = [...ctes, rest].join();
  const needed: string[] = [];
  for (const { name, text: own } of [...toCome].reverse()) {
    if (!text.includes(name)) continue;
    text += own;
    needed.unshift(`${name} as materialized (${own})`);
  }
  const all = [...(first === '' ? [] : [first]), ...needed, ...ctes];
  return `${all.length === 0 ? '' : `with ${all.join(',\n')}\n`}${rest}`;
}

/** Whether its rule looks for entities to come. */
export const needsToCome = ({ toCome, target: { derivation: d } }: Foreseen): boolean =>
  toCome.some(({ name }) => d.expression.includes(name));

/** The rows that a sample looks at. */
const sampled = 'hw_sample as r';
const sampleOf = (of: Foreseen): string =>
  `hw_sample as materialized (select ${of.foreseen.columnsStored.map((ident) => `r.${ident}`).join(', ')} from ${relation(of)} tablesample system ($1::pg_catalog.float4))`;

/**
 * In a sample, entities that are made of the table's own rows are those of the rows looked at: the other rows name others, and to go through all of them
 * would take as long as looking at all.
 */
const toComeIn = ({ toCome, target }: Foreseen, scope: Scope): readonly EntitiesToCome[] =>
  scope.kind === 'page'
    ? toCome
    : toCome.map((one) =>
        one.sourceRelid === target.derivation.table.relid ? { ...one, text: one.over(sampled) } : one,
      );

const applies = ({ parts, condition, nullsAreOne }: UniqueKey): string =>
  [
    ...(condition === null ? [] : [`(${condition}) is true`]),
    ...(nullsAreOne ? [] : [`pg_catalog.num_nulls(${parts.join(', ')}) OPERATOR(pg_catalog.=) 0`]),
  ].join(' and ') || 'true';

/**
 * What is found in the rows of the scope, as one row: `found` (see `Found`), `cursor` the last key, `blocks` of the table where there is a window, `set0`, `new0`, … the hashes of the keys that
 * rows have, and would get, in each unique index.
 */
export function foreseeStatement(of: Foreseen, scope: Scope): string {
  const { derivation: d } = of.target;
  // worked out anew for each row: not where there is nothing to tell apart
  const branch = d.branches.labels.length === 1 ? `'0'` : `(${d.branches.expression})`;
  const parent = d.referentExists === undefined ? 'true' : `(${d.referentExists})`;
  const what = [
    `when not (${empty(of)}) then 'set'`,
    `when v.value is null then 'reason:' || (${d.reason})`,
    `when ${parent} then 'branch:' || ${branch}`,
    `else 'parentless:' || ${branch}`,
  ].join(' ');
  // a row that its foreign key refuses never holds a key
  const coming = isDeclared(of) ? '^branch:' : '^(branch|parentless):';
  const hashes = of.uniqueKeys.map((_, i) => `, h${i}.hash as hash${i}`).join('');
  const sent = of.uniqueKeys
    .map(
      (_, i) =>
        `, (select string_agg(int8send(hash${i}), ''::bytea) from judged where what = 'set') as set${i}` +
        `, (select string_agg(int8send(hash${i}), ''::bytea) from judged where what ~ '${coming}') as new${i}`,
    )
    .join('');
  const ctes = [
    `judged as materialized (
  select ${keyText(of)} as key, row_number() over () as o, case ${what} end as what${hashes}
    from ${rowsOf(of, scope)}
    ${[value(of), ...of.uniqueKeys.map((key, i) => hashOf(of, key, i))].join('\n    ')}
)`,
    `counted as (
  select what, count(*)::float8 as rows,
         case when what ~ '^(reason|parentless):' then to_jsonb((array_agg(key order by o))[1:${keysShownMax}]) else '[]' end as keys
    from judged group by what
)`,
  ];
  const blocks = scope.kind === 'page' && scope.window ? `, ${blocksText(of.target)}` : '';
  const found = `select coalesce((select jsonb_agg(to_jsonb(c)) from counted as c), '[]') as found, (select key from judged order by o desc limit 1) as cursor${blocks}${sent}`;
  return withToCome(toComeIn(of, scope), ctes, found, scope.kind === 'sample' ? sampleOf(of) : '');
}

/** Rows whose key in one of the unique indexes has one of the hashes `$1` (`$2` and on: the page). */
export function rowsWithHash(of: Foreseen, indexNo: number, page: Page): string {
  const key = of.uniqueKeys[indexNo];
  if (key === undefined) throw new Error('no such unique index');
  const order = of.target.derivation.key.map((k) => `r.${k.ident}`).join(', ');
  const judged = `judged as materialized (
  select ${keyText(of)} as key, row_number() over (order by ${order}) as o, h0.hash
    from ${rowsOf(of, page, 2)} ${value(of)} ${hashOf(of, key, 0)}
)`;
  return withToCome(
    of.toCome,
    [judged],
    `select (select to_jsonb((array_agg(key order by o))[1:${keysShownMax}]) from judged where hash = any ($1::int8[])) as keys,
       (select key from judged order by o desc limit 1) as cursor, (select count(*)::float8 from judged) as rows${page.window ? `, ${blocksText(of.target)}` : ''}`,
  );
}

/** For an operator to paste: the rows behind a number, their keys alone. */
export function rowsBehind(of: Foreseen, condition: (derivation: FillTarget['derivation']) => string): string {
  const { derivation: d } = of.target;
  const keys = d.key.map((k) => `r.${k.ident}`).join(', ');
  const rows = `select ${keys} from ${of.foreseen.source(relation(of))} ${value(of)} where ${empty(of)} and ${condition(d)} order by ${keys} limit 100;`;
  return withToCome(of.toCome, [], rows);
}

/** The same for keys of a unique index that several rows would have. */
export function keysBehind(of: Foreseen, key: UniqueKey): string {
  const { derivation: d } = of.target;
  const names = key.parts.map((_, i) => `k${i}`);
  const parts = key.parts.map((part, i) => `${part} as k${i}`).join(', ');
  const grouped = names.map((name) => `u.${name}`).join(', ');
  const rows = `select array_agg(array[${d.key.map((k) => `r.${k.ident}::text`).join(', ')}]) as keys, count(*) as rows from ${of.foreseen.source(relation(of))} ${value(of)} cross join lateral (select ${parts} from ${filledRow(of)} where ${applies(key)}) as u group by ${grouped} having count(*) > 1 and bool_or(${empty(of)}) order by 2 desc limit 100;`;
  return withToCome(of.toCome, [], rows);
}
