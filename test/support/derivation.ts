import fc from 'fast-check';
import pg from 'pg';
import { type Rule, nameProblem } from '@highwater/plan';

/** What follows generates small families of tables with any names and any NULLs, and derives their values row by row without SQL. */

/** System columns are the only names a column may not have. */
const systemColumns = new Set(['tableoid', 'cmax', 'xmax', 'cmin', 'xmin', 'ctid']);

const oddNames = [
  'select', 'user', 'Group', 'a"b', "a'b", 'a.b', ' ', 'U&"\\0061"', '"; drop table x; --', '$hw$', '$1', '%I', 'r', 'p1', 'v',
  'ünïcödé', '数据', '😀', '\u00a0', '\\', '{a}', 'é'.repeat(31) + 'x', 'N', 'id', 'ID',
]; // prettier-ignore

export const name = fc
  .oneof(
    { weight: 2, arbitrary: fc.constantFrom(...oddNames) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }) },
  )
  .filter((text) => nameProblem(text) === undefined && !systemColumns.has(text));

const cell = fc.option(fc.constantFrom('a', 'B', "o'k", 'x\\y', ''), { nil: null, freq: 1 });

/** One table of a chain; a row's foreign key, if any, leads to the next table. */
export interface TableModel {
  readonly name: string;
  readonly key: readonly string[];
  readonly foreign: readonly string[];
  readonly value: string;
  readonly target: string;
  readonly rule: Rule;
  readonly rows: readonly RowModel[];
}

export interface RowModel {
  readonly key: readonly string[];
  readonly foreign: readonly (string | null)[];
  readonly value: string | null;
  readonly target: string | null;
}

export interface Family {
  readonly schema: string;
  readonly keyTypes: readonly ('text' | 'bigint')[];
  readonly tables: readonly TableModel[];
}

const keyValue = (type: 'text' | 'bigint'): fc.Arbitrary<string> =>
  type === 'text' ? fc.constantFrom('1', 'k', 'K', "'") : fc.constantFrom('1', '2', '9007199254740993', '-5');

/** A rule over table `level` of the chain, written in the entry of table `base`; no entry reads its own target. */
function ruleOver(
  names: readonly Pick<TableModel, 'foreign' | 'value' | 'target'>[],
  base: number,
  level: number,
  budget: number,
): fc.Arbitrary<Rule> {
  const here = names[level];
  if (here === undefined) throw new Error('rule over a table that is not there');
  const columns: fc.Arbitrary<Rule> = fc
    .constantFrom(...(level === base ? [here.value] : [here.value, here.target]))
    .map((column) => ({ kind: 'column', column }));
  const constant: fc.Arbitrary<Rule> = fc
    .constantFrom("it's", 'a\\b', '')
    .map((value) => ({ kind: 'constant', value }));
  const leaves = [columns, columns, columns, constant];
  if (budget === 0) return fc.oneof(...leaves);
  const firstOf: fc.Arbitrary<Rule> = fc
    .array(
      fc.constant(null).chain(() => ruleOver(names, base, level, budget - 1)),
      { minLength: 1, maxLength: 3 },
    )
    .map((rules) => ({ kind: 'firstOf', rules }));
  if (level + 1 >= names.length) return fc.oneof(...leaves, firstOf);
  const columnsOfKey = here.foreign;
  const via: fc.Arbitrary<Rule> = ruleOver(names, base, level + 1, budget - 1).map((then) => ({
    kind: 'via',
    columns: columnsOfKey,
    then,
  }));
  const own: fc.Arbitrary<Rule> = fc.constant({ kind: 'via', columns: columnsOfKey });
  return fc.oneof(columns, firstOf, firstOf, via, via, own);
}

function distinctNames(count: number): fc.Arbitrary<string[]> {
  return fc.uniqueArray(name, { minLength: count, maxLength: count });
}

/** A family of two or three tables with keys of one or two columns. */
export const family: fc.Arbitrary<Family> = fc
  .record({
    schema: name.filter((text) => !text.startsWith('pg_')),
    keyTypes: fc.array(fc.constantFrom('text' as const, 'bigint' as const), { minLength: 1, maxLength: 2 }),
    depth: fc.integer({ min: 2, max: 3 }),
  })
  .chain(({ schema, keyTypes, depth }) =>
    fc
      .record({
        tables: distinctNames(depth),
        columns: fc.array(distinctNames(2 * keyTypes.length + 2), { minLength: depth, maxLength: depth }),
      })
      .chain(({ tables, columns }) => {
        const width = keyTypes.length;
        const named = tables.map((table, i) => {
          const all = columns[i] ?? [];
          return {
            name: table,
            key: all.slice(0, width),
            foreign: i + 1 < depth ? all.slice(width, 2 * width) : [],
            value: all[2 * width] ?? '',
            target: all[2 * width + 1] ?? '',
          };
        });
        const keys = fc.tuple(...keyTypes.map(keyValue));
        const row = (last: boolean): fc.Arbitrary<RowModel> =>
          fc.record({
            key: keys,
            foreign: last
              ? fc.constant([])
              : fc.tuple(...keyTypes.map((type) => fc.option(keyValue(type), { nil: null, freq: 4 }))),
            value: cell,
            target: cell,
          });
        return fc
          .tuple(
            ...named.map((table, i) =>
              fc
                .record({
                  rule: ruleOver(named, i, i, 3),
                  rows: fc.uniqueArray(row(i + 1 === depth), {
                    selector: (each) => JSON.stringify(each.key),
                    minLength: 2,
                    maxLength: 8,
                  }),
                })
                .map((rest) => ({ ...table, ...rest })),
            ),
          )
          .map((models) => ({ schema, keyTypes, tables: models }));
      }),
  );

export type Derived = { readonly value: string } | { readonly reason: string };

/** The oracle: what a rule gives for one row, by walking the rows. Knows nothing of SQL. */
export function derive(tables: readonly TableModel[], level: number, row: RowModel, rule: Rule): Derived {
  const table = tables[level];
  if (table === undefined) throw new Error('no such table');
  switch (rule.kind) {
    case 'constant':
      return { value: rule.value };
    case 'column': {
      const found = rule.column === table.value ? row.value : row.target;
      return found === null ? { reason: 'InputNull' } : { value: found };
    }
    case 'firstOf': {
      const each = rule.rules.map((choice) => derive(tables, level, row, choice));
      const value = each.find((derived) => 'value' in derived);
      const notable = each.find((derived) => 'reason' in derived && derived.reason !== 'InputNull');
      return value ?? notable ?? { reason: 'InputNull' };
    }
    case 'via': {
      if (row.foreign.some((part) => part === null)) return { reason: 'InputNull' };
      const parent = tables[level + 1];
      const found = parent?.rows.find((candidate) => JSON.stringify(candidate.key) === JSON.stringify(row.foreign));
      if (parent === undefined || found === undefined) return { reason: 'ParentMissing' };
      return derive(tables, level + 1, found, rule.then ?? parent.rule);
    }
    default:
      throw new Error(`families know nothing of ${rule.kind}`);
  }
}

const quote = pg.escapeIdentifier;

/** Creates the family's tables and rows; keys that point nowhere are let in, as a foreign key that is NOT VALID would. */
export async function createFamily(client: pg.ClientBase, { schema, keyTypes, tables }: Family): Promise<void> {
  await client.query(`create schema ${quote(schema)}`);
  for (const [i, table] of [...tables.entries()].reverse()) {
    const parent = tables[i + 1];
    const ident = `${quote(schema)}.${quote(table.name)}`;
    const columns = [
      ...table.key.map((column, k) => `${quote(column)} ${keyTypes[k]}`),
      ...table.foreign.map((column, k) => `${quote(column)} ${keyTypes[k]}`),
      `${quote(table.value)} text`,
      `${quote(table.target)} text`,
      `primary key (${table.key.map(quote).join(', ')})`,
    ];
    if (parent !== undefined) {
      const to = `${quote(schema)}.${quote(parent.name)} (${parent.key.map(quote).join(', ')})`;
      columns.push(`foreign key (${table.foreign.map(quote).join(', ')}) references ${to}`);
    }
    await client.query(`create table ${ident} (${columns.join(', ')})`);
    await client.query('set session_replication_role = replica');
    for (const row of table.rows) {
      const values = [...row.key, ...row.foreign, row.value, row.target];
      await client.query(`insert into ${ident} values (${values.map((_, n) => `$${n + 1}`).join(', ')})`, values);
    }
    await client.query('set session_replication_role = origin');
  }
}

/** The plan of a family as a file: JSON is YAML, and every name goes through the parser. */
export function planText({ schema, tables }: Family): string {
  return JSON.stringify(
    {
      highwater: 1,
      migration: 'family',
      tables: tables.map((table) => ({
        table: { schema, name: table.name },
        target: { column: table.target, type: 'text' },
        rule: ruleText(table.rule),
      })),
    },
    null,
    1,
  );
}

function ruleText(rule: Rule): unknown {
  switch (rule.kind) {
    case 'column':
      return { column: rule.column };
    case 'constant':
      return { constant: rule.value };
    case 'firstOf':
      return { firstOf: rule.rules.map(ruleText) };
    case 'via':
      return { via: rule.columns, ...(rule.then === undefined ? {} : { then: ruleText(rule.then) }) };
    default:
      throw new Error(`families know nothing of ${rule.kind}`);
  }
}
