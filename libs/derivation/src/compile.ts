import { type Plan, type PlanPath, type PlannedTable, formatTableName, suggest } from '@highwater/plan';
import { targetAim } from './aim.js';
import type { Catalog, CatalogColumn, CatalogTable, SqlExpression } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import { checkIndexes } from './check-indexes.js';
import { compileEntity } from './compile-entity.js';
import type { CompiledDerivation, CompiledEntity } from './derivation.js';
import { type Referent, printGuarded, printReferent } from './entity-guard.js';
import { Inputs } from './inputs.js';
import { type DerivationIssue, Issues, nameOf } from './issue.js';
import { compileKey } from './key.js';
import { Lookup } from './lookup.js';
import { simplify } from './node.js';
import { printBranches } from './print-branch.js';
import { printValue } from './print.js';
import { referredEntities } from './referred-entities.js';
import { RuleResolver } from './resolve.js';
import { comparable, isBuiltin, sameType } from './types.js';

/**
 * Compiles every planned table and entity against the catalog: one for each entry, in plan order, or all that stands against it.
 * `tableNames` (`name` in public, else `schema.name`) serve the suggestion for a table that the catalog was not read for.
 * Compile again after the target columns were added: a planned column is quoted by us, one in the catalog by the server.
 */
export function compilePlan(
  plan: Plan,
  catalog: Catalog,
  known: { readonly tableNames?: readonly string[] } = {},
): { derivations: CompiledDerivation[]; entities: CompiledEntity[] } | { issues: DerivationIssue[] } {
  const issues = new Issues();
  const lookup = new Lookup(plan, catalog, issues, known.tableNames);
  const entities = plan.entities.map((entity, i) => compileEntity(entity, ['entities', i], lookup));
  const derivations = plan.tables.map((entry, i) => compileEntry(entry, ['tables', i], lookup, plan.journal, entities));
  if (issues.list.length > 0) return { issues: issues.list };
  return {
    derivations: derivations.filter((derivation) => derivation !== undefined),
    entities: entities.filter((entity) => entity !== undefined),
  };
}

function compileEntry(
  entry: PlannedTable,
  path: PlanPath,
  lookup: Lookup,
  journal: boolean,
  compiledEntities: readonly (CompiledEntity | undefined)[],
): CompiledDerivation | undefined {
  const table = lookup.table(entry.table, [...path, 'table']);
  if (table === undefined) return undefined;
  const key = compileKey(entry.key, table, [...path, 'key'], lookup);
  checkIndexes(entry.indexes, entry.target.column, table, [...path, 'indexes'], lookup);
  const target = findTarget(entry, table, [...path, 'target'], lookup);
  if (target === undefined) return undefined;

  const resolver = new RuleResolver(lookup, target);
  const resolved = resolver.resolve(entry.rule, {
    table,
    entry,
    path: [...path, 'rule'],
    depth: 0,
    within: [entry],
    aim: targetAim(target),
  });
  const inputs = new Inputs();
  const referents = findReferents(entry, table, target, [...path, 'references'], lookup, inputs);
  if (resolved === undefined || key === undefined) return undefined;

  const node = simplify(resolved);
  inputs.addNode(table, node);
  const [entities, others] = parted(referents, ({ parent }) => lookup.isEntity(parent));
  const { expression, reason, join } = printGuarded(node, target, entities);
  const referred = referredEntities(table, target, entities, compiledEntities);
  for (const { entity, source } of referred) inputs.addReferred(entity, source);
  const tests = new Set(others.map((each) => printReferent(each, target)));
  return {
    table,
    key,
    target: { name: target.name, ident: target.ident, type: target.type },
    expression,
    reason,
    branches: printBranches(resolved, target, expression),
    inputs: inputs.list,
    ...(inputs.searches.length === 0 ? {} : { searches: inputs.searches }),
    ...(inputs.functions.length === 0 ? {} : { functions: inputs.functions }),
    ...(join === undefined ? {} : { join }),
    ...(tests.size === 0 ? {} : { referentExists: [...tests].join(' and ') as SqlExpression }),
    ...(referred.length === 0
      ? {}
      : { unguarded: printValue(node, 'r', 0, target) as SqlExpression, entities: referred }),
    ...(journal ? { journal } : {}),
  };
}

function parted<T>(list: readonly T[], belongs: (each: T) => boolean): [T[], T[]] {
  return [list.filter(belongs), list.filter((each) => !belongs(each))];
}

function findTarget(
  entry: PlannedTable,
  table: CatalogTable,
  path: PlanPath,
  lookup: Lookup,
): CatalogColumn | undefined {
  const { column: name, type, addColumn } = entry.target;
  const existing = table.columns.get(name);
  if (existing === undefined && !addColumn) {
    const message = `target column ${JSON.stringify(name)} does not exist on table ${nameOf(table)}`;
    const near = suggest(name, table.columns.keys());
    const help = `${near === undefined ? '' : `did you mean ${JSON.stringify(near)}? Otherwise `}add it (nullable, no default) with your own migration, or say addColumn: true`;
    lookup.issues.add(codes.TargetMissing, [...path, 'column'], message, {
      notes: [`the table has: ${[...table.columns.keys()].join(', ')}`],
      help,
    });
    return undefined;
  }
  const column = existing ?? lookup.column(table, name, path);
  if (column === undefined) return undefined;
  if (column.generated) {
    lookup.issues.add(
      codes.GeneratedColumn,
      [...path, 'column'],
      `target column ${JSON.stringify(name)} of ${nameOf(table)} is generated and cannot be written`,
    );
    return undefined;
  }
  if (!sameType(column.type, type)) {
    const message = `target column ${JSON.stringify(name)} of ${nameOf(table)} is ${column.type}; the plan says ${type}`;
    lookup.issues.add(codes.TargetTypeDiffers, [...path, 'type'], message, { help: `say type: ${column.type}` });
    return undefined;
  }
  return column;
}

/** Foreign keys the target will get (plan) or has (catalog): a value whose parent is missing would be refused. */
function findReferents(
  entry: PlannedTable,
  table: CatalogTable,
  target: CatalogColumn,
  path: PlanPath,
  lookup: Lookup,
  inputs: Inputs,
): Referent[] {
  const referents: Referent[] = [];
  if (entry.references !== undefined) {
    const parent = lookup.table(entry.references.table, [...path, 'table']);
    const [name, second] = parent?.primaryKey ?? [];
    const key = name === undefined || second !== undefined ? undefined : parent?.columns.get(name);
    const compares =
      key !== undefined && comparable(key.type, target.type) && (isBuiltin(key.typeOid) || key.equality !== undefined);
    if (parent !== undefined && key !== undefined && compares) {
      inputs.add(parent, key);
      referents.push({ parent, key, others: [] });
    } else if (parent !== undefined) {
      const found = key === undefined ? `(${parent.primaryKey.join(', ')})` : `${key.name} of type ${key.type}`;
      const message = `${formatTableName(entry.references.table)} cannot be referenced by ${JSON.stringify(target.name)} (${target.type}): its primary key is ${found}`;
      lookup.issues.add(codes.BadReference, path, message, {
        help: 'say references: none, and declare the foreign key yourself',
      });
    }
  }
  for (const foreignKey of table.foreignKeys) {
    const at = foreignKey.columns.indexOf(target.name);
    const parent = at < 0 ? undefined : lookup.byRelid(foreignKey.toRelid);
    if (parent === undefined) continue;
    const pairs = foreignKey.columns.flatMap((name, i) => {
      const own = table.columns.get(name);
      const key = parent.columns.get(foreignKey.toColumns[i] ?? '');
      return own === undefined || key === undefined ? [] : [{ own, key }];
    });
    const referent = pairs[at];
    if (referent === undefined || pairs.length !== foreignKey.columns.length) continue;
    for (const { own, key } of pairs) {
      inputs.add(parent, key);
      if (own !== referent.own) inputs.add(table, own);
    }
    referents.push({ parent, key: referent.key, others: pairs.filter((pair) => pair !== referent) });
  }
  return referents;
}
