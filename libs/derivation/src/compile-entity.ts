import { must } from '@highwater/kernel';
import { type PlanPath, type PlannedColumn, type PlannedEntity, asEntry, sameColumnSet } from '@highwater/plan';
import { targetAim } from './aim.js';
import type { CatalogColumn, CatalogTable, SqlExpression } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import { checkIndexes } from './check-indexes.js';
import type { CompiledEntity, EntityColumn } from './derivation.js';
import { equal } from './equal.js';
import { Inputs } from './inputs.js';
import { nameOf } from './issue.js';
import { compileSourceKey } from './key.js';
import type { Lookup } from './lookup.js';
import { simplify } from './node.js';
import { fromTable, printReason, printValue } from './print.js';
import { momentTextLength, printNow } from './print-now.js';
import { RuleResolver } from './resolve.js';
import { sameType } from './types.js';

/** Compiles one entity: what is written for a row of its source, and why it cannot be. Undefined when an issue was found. */
export function compileEntity(entity: PlannedEntity, path: PlanPath, lookup: Lookup): CompiledEntity | undefined {
  const table = lookup.table(entity.table, [...path, 'table']);
  const source = lookup.table(entity.from, [...path, 'from']);
  if (table === undefined || source === undefined) return undefined;
  const sourceKey = compileSourceKey(source, [...path, 'from'], lookup);
  checkIndexes(entity.indexes, undefined, table, [...path, 'indexes'], lookup);
  const inputs = new Inputs();
  const compile = (planned: PlannedColumn, place: 'key' | 'values'): Printed | undefined =>
    compileColumn(entity, planned, { table, source, path: [...path, place, planned.column], lookup, inputs });
  const identity = entity.key.map((planned) => compile(planned, 'key'));
  const values = entity.values.map((planned) => compile(planned, 'values'));
  checkIdentity(entity, table, [...path, 'key'], lookup);
  if (entity.createdBy === 'highwater') checkComplete(entity, table, path, lookup);
  if (!identity.every((each) => each !== undefined) || !values.every((each) => each !== undefined)) return undefined;
  if (sourceKey === undefined) return undefined;

  for (const { name } of sourceKey) {
    const column = source.columns.get(name);
    if (column !== undefined) inputs.add(source, column);
  }
  const refused = [...identity, ...(entity.createdBy === 'highwater' ? values : [])].flatMap(
    ({ refused: why }) => why ?? [],
  );
  const written = ({ column }: Printed): EntityColumn => column;
  return {
    table,
    source,
    sourceKey,
    identity: identity.map(written),
    values: values.map(written),
    createdBy: entity.createdBy,
    exists: printExists(table, identity.map(written)) as SqlExpression,
    reason: (refused.length === 0 ? 'null::pg_catalog.text' : `coalesce(${refused.join(', ')})`) as SqlExpression,
    inputs: inputs.list,
    ...(inputs.searches.length === 0 ? {} : { searches: inputs.searches }),
    ...(inputs.functions.length === 0 ? {} : { functions: inputs.functions }),
  };
}

/** The entity's own column decides operator and collation, as in the unique index that is asked. */
function printExists(table: CatalogTable, identity: readonly EntityColumn[]): string {
  const same = identity.map(({ name, expression }) => {
    const column = must(table.columns.get(name), `identity column ${name}`);
    return equal('x', column, undefined, { ...column, ident: `(${expression})` });
  });
  return `exists (select from ${fromTable(table, 'x')} where ${same.join(' and ')})`;
}

interface Printed {
  readonly column: EntityColumn;
  /** Why the row cannot be made: for a column without which there is no identity, or that takes no NULL. */
  readonly refused?: string;
}

interface Place {
  readonly table: CatalogTable;
  readonly source: CatalogTable;
  readonly path: PlanPath;
  readonly lookup: Lookup;
  readonly inputs: Inputs;
}

function compileColumn(entity: PlannedEntity, planned: PlannedColumn, place: Place): Printed | undefined {
  const { table, source, path, lookup, inputs } = place;
  const column = lookup.column(table, planned.column, path);
  if (column === undefined) return undefined;
  if (column.generated) {
    const message = `column ${JSON.stringify(column.name)} of ${nameOf(table)} is generated and cannot be written`;
    lookup.issues.add(codes.GeneratedColumn, path, message, { help: 'leave it out' });
    return undefined;
  }
  const { rule } = planned;
  if (rule.kind === 'now') return compileNow(column, path, lookup);
  const entry = asEntry(entity, column.name, rule);
  const aim = targetAim(column, 'column');
  const resolver = new RuleResolver(lookup, undefined);
  const resolved = resolver.resolve(rule, { table: source, entry, path, depth: 0, within: [], aim });
  if (resolved === undefined) return undefined;
  const node = simplify(resolved);
  inputs.addNode(source, node);
  const needed = column.notNull || entity.key.some((each) => each.column === column.name);
  const plain = node.kind === 'column' && sameType(node.column.type, column.type) ? node.column.name : undefined;
  return {
    column: {
      ...written(column, printValue(node, 'r', 0, column)),
      ...(plain === undefined ? {} : { plain }),
    },
    ...(needed ? { refused: printReason(node, 'r', column) } : {}),
  };
}

function compileNow(column: CatalogColumn, path: PlanPath, lookup: Lookup): Printed | undefined {
  const now = printNow(column);
  if (now !== undefined) return { column: written(column, now) };
  const message = `column ${JSON.stringify(column.name)} is ${column.type}; the moment of creation is a timestamp, a date or text of at least ${momentTextLength} characters`;
  lookup.issues.add(codes.TypeMismatch, path, message);
  return undefined;
}

const written = ({ name, ident, type }: CatalogColumn, expression: string): EntityColumn => ({
  name,
  ident,
  type,
  expression: expression as SqlExpression,
});

function checkIdentity(entity: PlannedEntity, table: CatalogTable, path: PlanPath, lookup: Lookup): void {
  const names = entity.key.map(({ column }) => column);
  if (names.some((name) => !table.columns.has(name))) return;
  if (table.uniqueKeys.some((unique) => sameColumnSet(unique, names))) return;
  const message = `no valid, unconditional, immediate unique index of ${nameOf(table)} is over exactly (${names.join(', ')}), so two of us could make one entity twice`;
  lookup.issues.add(codes.EntityKeyNotUnique, path, message, {
    notes: [`its unique keys: ${table.uniqueKeys.map((unique) => `(${unique.join(', ')})`).join(' ') || 'none'}`],
    help: `create unique index concurrently on ${table.ident} (${names.map((name) => table.columns.get(name)?.ident ?? name).join(', ')})`,
  });
}

/** A row of the table can be made of what the plan gives. */
function checkComplete(entity: PlannedEntity, table: CatalogTable, path: PlanPath, lookup: Lookup): void {
  const given = new Set([...entity.key, ...entity.values].map(({ column }) => column));
  for (const column of table.columns.values()) {
    if (!column.notNull || column.hasDefault === true || column.generated || given.has(column.name)) continue;
    const message = `column ${JSON.stringify(column.name)} of ${nameOf(table)} takes no NULL and has no default, and the plan gives it no value`;
    lookup.issues.add(codes.EntityValueMissing, [...path, 'values'], message, {
      help: `say it: values: { ${column.name}: … }`,
    });
  }
}
