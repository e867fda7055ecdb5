import type { PrintTarget } from './aim.js';
import { equal } from './equal.js';
import type { LookupNode } from './node.js';
import { quoteLiteral } from './quote.js';
import { typeParts, typeSql } from './types.js';

/** The texts of what is taken from each looked-up row, over its alias. */
export interface LookupTexts {
  readonly value: string;
  readonly notable: string | undefined;
}

/**
 * The value on which all rows agree, or that of the first in the order; rows without one have no say. Two distinct values are
 * enough to know that they do not agree. Among values that are equal and not the same (`1.0` and `1.00`, citext) the one whose text
 * sorts first is taken, so that the same rows always give the same.
 */
export function printLookup(node: LookupNode, alias: string, depth: number, value: string, aim: PrintTarget): string {
  const [p, v] = [`p${depth}`, `v${depth}`];
  const source = `${rowsWithValue(node, alias, depth, value, aim)}`;
  if (node.order !== undefined) return `(select ${v}.value ${source} order by ${order(node, p)} limit 1)`;
  const distinct = `select distinct on (${v}.value) ${v}.value ${source} order by ${v}.value, ${v}.value::pg_catalog.text collate pg_catalog."C" limit 2`;
  return `(select d${depth}.value from (select s${depth}.value, pg_catalog.count(*) over () as n from (${distinct}) as s${depth}) as d${depth} where d${depth}.n OPERATOR(pg_catalog.=) 1)`;
}

/**
 * Why a look-up has no value, given that it has none: some row having one means that several have. Of the reasons of several
 * rows the one that sorts first is told.
 */
export function printLookupReason(
  node: LookupNode,
  alias: string,
  depth: number,
  { value, notable }: LookupTexts,
  aim: PrintTarget,
): string {
  const inputs = node.pairs.map(({ own }) => `${alias}.${own.ident} is null`).join(' or ');
  const rows = `from ${node.table.ident} as p${depth} where ${matches(node, alias, depth)}`;
  const ambiguous =
    node.order === undefined
      ? ` when exists (select ${rowsWithValue(node, alias, depth, value, aim)}) then 'Ambiguous'::pg_catalog.text`
      : '';
  const below =
    notable === undefined ? '' : ` else (select pg_catalog.min((${notable}) collate pg_catalog."C") ${rows})`;
  return `case when ${inputs} then null when not exists (select ${rows}) then 'NoMatch'::pg_catalog.text${ambiguous}${below} end`;
}

function rowsWithValue(node: LookupNode, alias: string, depth: number, value: string, aim: PrintTarget): string {
  const v = `v${depth}`;
  return `from ${node.table.ident} as p${depth} cross join lateral (select ${value}${collate(aim)} as value) as ${v} where ${matches(node, alias, depth)} and ${v}.value is not null`;
}

/** Values are told apart by the target's collation, whatever the choices a value comes from say. */
function collate(aim: PrintTarget): string {
  if (aim.collation !== undefined) return ` collate ${aim.collation}`;
  const planned = ['text', 'character varying', 'character'].includes(typeParts(aim.type).base);
  return planned ? ' collate pg_catalog."default"' : '';
}

const matches = (node: LookupNode, alias: string, depth: number): string =>
  [
    ...node.pairs.map(({ own, key }) => equal(`p${depth}`, key, alias, own)),
    ...node.constants.map(
      ({ key, value }) =>
        `p${depth}.${key.ident} ${key.equality ?? 'OPERATOR(pg_catalog.=)'} ${quoteLiteral(value)}::${typeSql(key.type, key.typeOid)}`,
    ),
  ].join(' and ');

/** NULLs last, said only where there can be any: else an index could not be read backwards. */
const order = (node: LookupNode, p: string): string =>
  [
    ...(node.order?.by ?? []).map(
      (column) =>
        `${p}.${column.ident} ${node.order?.descending === true ? 'desc' : 'asc'}${column.notNull ? '' : ' nulls last'}`,
    ),
    ...(node.order?.ties ?? []).map((column) => `${p}.${column.ident}`),
  ].join(', ');
