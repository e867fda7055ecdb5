import { createHash } from 'node:crypto';
import type { LookupOrder, LookupRule, Rule, TableName, TemplateFilter } from '@highwater/plan';
import type { Column, Row, Table, World } from './world.js';

export type Derived = { readonly value: string } | { readonly reason: string };

/** What a rule gives for one row, by walking the rows. Knows nothing of SQL and nothing of the compiler. */
export function derive(world: World, at: number, row: Row, rule: Rule): Derived {
  switch (rule.kind) {
    case 'constant':
      return { value: rule.value };
    case 'column':
      return orInputNull(read(row, rule.column));
    case 'firstOf': {
      const each = rule.rules.map((choice) => derive(world, at, row, choice));
      return each.find((one) => 'value' in one) ?? firstNotable(each);
    }
    case 'via':
      return follow(world, at, row, rule);
    case 'lookup':
      return lookUp(world, row, rule);
    case 'template': {
      const texts = rule.parts.map((part) =>
        'text' in part ? part.text : part.filters.reduce(filtered, read(row, part.column)),
      );
      return texts.includes(null) ? { reason: 'InputNull' } : { value: texts.join('') };
    }
    case 'map': {
      const of = derive(world, at, row, rule.of);
      if ('reason' in of) return of;
      const found = rule.values.find(({ from }) => from === of.value);
      return found === undefined ? { reason: 'NotMapped' } : { value: found.to };
    }
    case 'function': {
      const given = rule.arguments.map((argument) => derive(world, at, row, argument));
      const result = call(
        rule.function.name,
        given.map((one) => ('value' in one ? one.value : null)),
      );
      if (result !== null) return { value: result };
      return given.some((one) => 'reason' in one) ? firstNotable(given) : { reason: 'FunctionFailed' };
    }
  }
}

const orInputNull = (value: string | null): Derived => (value === null ? { reason: 'InputNull' } : { value });

const firstNotable = (each: readonly Derived[]): Derived =>
  each.find((one) => 'reason' in one && one.reason !== 'InputNull') ?? { reason: 'InputNull' };

function read(row: Row, column: string): string | null {
  const value = row.get(column);
  if (value === undefined) throw new Error(`no column ${column}`);
  return value;
}

function follow(world: World, at: number, row: Row, rule: Extract<Rule, { kind: 'via' }>): Derived {
  const link = world.tables[at]?.links.find(({ columns }) => columns.join('\0') === rule.columns.join('\0'));
  const parent = link && world.tables[link.to];
  if (link === undefined || parent === undefined) throw new Error('no such link');
  const key = rule.columns.map((column) => read(row, column));
  if (key.includes(null)) return { reason: 'InputNull' };
  const found = parent.rows.find((candidate) => parent.key.every((column, i) => read(candidate, column) === key[i]));
  if (found === undefined) return { reason: 'ParentMissing' };
  return derive(world, link.to, found, rule.then ?? ownRule(world, link.to));
}

function ownRule(world: World, at: number): Rule {
  const rule = world.rules[at];
  if (rule === undefined) throw new Error('no such rule');
  return rule;
}

function lookUp(world: World, row: Row, rule: LookupRule): Derived {
  const at = world.tables.findIndex(({ name }) => sameName(rule.table, name));
  const table = world.tables[at];
  if (table === undefined) throw new Error('no such table');
  const wanted = rule.where.map((condition) => ({
    theirs: condition.theirs,
    value: 'ours' in condition ? read(row, condition.ours) : condition.constant,
  }));
  if (wanted.some(({ value }) => value === null)) return { reason: 'InputNull' };
  const matching = table.rows.filter((one) => wanted.every(({ theirs, value }) => read(one, theirs) === value));
  if (matching.length === 0) return { reason: 'NoMatch' };
  const ordered = rule.pick === 'single' ? matching : inOrder(table, matching, rule.pick);
  const taken: Rule =
    rule.take === undefined ? (rule.then ?? ownRule(world, at)) : { kind: 'column', column: rule.take };
  const each = ordered.map((one) => derive(world, at, one, taken));
  const values = each.flatMap((one) => ('value' in one ? [one.value] : []));
  const [first] = values;
  if (first === undefined) {
    const reasons = each.flatMap((one) => ('reason' in one && one.reason !== 'InputNull' ? [one.reason] : []));
    return { reason: reasons.sort()[0] ?? 'InputNull' };
  }
  return rule.pick === 'single' && new Set(values).size > 1 ? { reason: 'Ambiguous' } : { value: first };
}

const sameName = (table: TableName, name: string): boolean => table.name === name;

function inOrder(table: Table, rows: readonly Row[], { by, order }: LookupOrder): Row[] {
  const column = (name: string): Column => {
    const found = table.columns.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no column ${name}`);
    return found;
  };
  const direction = order === 'desc' ? -1 : 1;
  return [...rows].sort((a, b) => {
    for (const name of by) {
      const [left, right] = [read(a, name), read(b, name)];
      if (left === right) continue;
      if (left === null || right === null) return left === null ? 1 : -1;
      return direction * compare(column(name), left, right);
    }
    for (const name of table.key) {
      const difference = compare(column(name), read(a, name) ?? '', read(b, name) ?? '');
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

const kinds = ['x', 'b', 'a'];

function compare({ type }: Column, a: string, b: string): number {
  if (type === 'bigint' || type === 'integer') return BigInt(a) < BigInt(b) ? -1 : Number(BigInt(a) > BigInt(b));
  if (type === 'app."Kind"') return kinds.indexOf(a) - kinds.indexOf(b);
  if (type === 'timestamp with time zone') return instant(a) < instant(b) ? -1 : Number(instant(a) > instant(b));
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** With microseconds, which a Date has not. */
const instant = (text: string): string => text.replace(/(:\d\d)(\+00)$/, '$1.000000$2');

function filtered(text: string | null, filter: TemplateFilter): string | null {
  if (text === null) return null;
  if (filter.filter === 'hash') return createHash('sha256').update(text).digest('hex').slice(0, filter.digits);
  const at = text.indexOf(filter.text);
  return at > 0 ? text.slice(0, at) : null;
}

/** The functions of `functionsSql`, once more. */
function call(name: string, given: readonly (string | null)[]): string | null {
  const [first = null, second = null] = given;
  if (name === 'numbered') {
    if (second === null) return first;
    return BigInt(second) < 0n || first === null ? null : `${first}/${second}`;
  }
  if (first === null) return null;
  if (name === 'next_number') return first === '2' ? null : String(BigInt(first) + 1n);
  return first.startsWith('f') || first === '' ? null : first;
}

/** `kind` is in the order of the oracle, which is not that of its labels. */
export const functionsSql = `
create schema app;
create type app."Kind" as enum ('x', 'b', 'a');
create function app.numbered(text, bigint) returns text stable language sql
  as $$ select case when $2 is null then $1 when $2 >= 0 then $1 || '/' || $2 end $$;
create function app.next_number(bigint) returns bigint immutable strict language sql
  as $$ select case when $1 <> 2 then $1 + 1 end $$;
create function app.tenant_of(text) returns text stable strict language plpgsql
  as $$ begin return case when $1 <> '' and $1 not like 'f%' then $1 end; end $$;
create function app.tenant_of(uuid) returns uuid stable strict language sql
  as $$ select case when $1::text not like 'f%' then $1 end $$`;
export const functionNames = ['app.numbered', 'app.next_number', 'app.tenant_of(uuid)', 'app.tenant_of(text)'];
