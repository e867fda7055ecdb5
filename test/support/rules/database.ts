import pg from 'pg';
import type { LookupRule, Rule, TemplatePart } from '@highwater/plan';
import type { Column, Table, World } from './world.js';

const quote = pg.escapeIdentifier;
const literal = (value: string | null): string => (value === null ? 'null' : pg.escapeLiteral(value));

export const identOf = (world: World, table: Table): string => `${quote(world.schema)}.${quote(table.name)}`;

/** Tables and rows of a world in one message; keys that point nowhere are let in, as a foreign key that is NOT VALID would. */
export function worldSql(world: World): string {
  const statements = [`create schema ${quote(world.schema)}`];
  for (const table of world.tables) {
    const columns = [...table.columns.map(columnSql), `primary key (${table.key.map(quote).join(', ')})`];
    statements.push(`create table ${identOf(world, table)} (${columns.join(', ')})`);
    const rows = table.rows.map(
      (row) => `(${table.columns.map(({ name }) => literal(row.get(name) ?? null)).join(', ')})`,
    );
    statements.push(`insert into ${identOf(world, table)} values ${rows.join(', ')}`);
  }
  for (const table of world.tables)
    for (const link of table.links) {
      const parent = world.tables[link.to];
      if (!link.declared || parent === undefined) continue;
      statements.push(
        `alter table ${identOf(world, table)} add foreign key (${link.columns.map(quote).join(', ')}) references ${identOf(world, parent)} (${parent.key.map(quote).join(', ')}) not valid`,
      );
    }
  return statements.join(';\n');
}

const columnSql = ({ name, type, collation }: Column): string =>
  `${quote(name)} ${type}${collation === undefined ? '' : ` collate ${collation}`}`;

/** The plan of a world as a file: JSON is YAML, and every name goes through the parser. */
export function planOf({ schema, tables, rules, aim }: World): string {
  const entries = tables.map((table, i) => ({
    table: { schema, name: table.name },
    target: { column: table.target, type: aim },
    rule: ruleText(rules[i] as Rule),
  }));
  return JSON.stringify({ highwater: 1, migration: 'world', tables: entries }, null, 1);
}

function ruleText(rule: Rule): unknown {
  switch (rule.kind) {
    case 'column':
      return rule.column.startsWith('c') ? rule.column : { column: rule.column };
    case 'constant':
      return { constant: rule.value };
    case 'firstOf':
      return { firstOf: rule.rules.map(ruleText) };
    case 'via':
      return { via: rule.columns, ...(rule.to && { to: rule.to }), ...(rule.then && { then: ruleText(rule.then) }) };
    case 'lookup':
      return lookupText(rule);
    case 'template':
      return { template: rule.parts.map(partText).join('') };
    case 'map':
      return { map: ruleText(rule.of), values: Object.fromEntries(rule.values.map(({ from, to }) => [from, to])) };
    case 'function': {
      const { schema, name, argumentTypes } = rule.function;
      const types = argumentTypes === undefined ? '' : `(${argumentTypes.join(', ')})`;
      return { function: `${schema}.${name}${types}`, arguments: rule.arguments.map(ruleText) };
    }
  }
}

function lookupText({ table, where, take, then, pick }: LookupRule): unknown {
  const conditions = where.map((condition) => [
    condition.theirs,
    'ours' in condition ? { column: condition.ours } : { constant: condition.constant },
  ]);
  return {
    lookup: table,
    where: Object.fromEntries(conditions) as unknown,
    ...(take === undefined ? {} : { take }),
    ...(then && { then: ruleText(then) }),
    pick: pick === 'single' ? 'single' : { first: { by: pick.by, order: pick.order } },
  };
}

function partText(part: TemplatePart): string {
  if ('text' in part) return part.text.replace(/[{}]/g, '$&$&');
  const filters = part.filters.map((each) => (each.filter === 'hash' ? `hash:${each.digits}` : `before:${each.text}`));
  return `{${[part.column, ...filters].join('|')}}`;
}
