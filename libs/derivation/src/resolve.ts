import { must } from '@highwater/kernel';
import {
  type PlanPath,
  type PlannedTable,
  type Rule,
  entryFor,
  formatTableName,
  sameColumnSet,
  schemaOf,
} from '@highwater/plan';
import type { Aim } from './aim.js';
import type { CatalogColumn, CatalogForeignKey, CatalogTable } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import { nameOf } from './issue.js';
import type { Lookup } from './lookup.js';
import { type KeyPair, type Node, nodesMax } from './node.js';
import { resolveFunction } from './resolve-function.js';
import { resolveLookup } from './resolve-lookup.js';
import { resolveMap, resolveTemplate } from './resolve-text.js';
import { comparable, fitsWithoutLoss, isBuiltin, lengthMax, plainTextMax } from './types.js';

/** Where a rule is read: over which table, in whose entry, how far from the row itself, and what its value is for. */
export interface Scope {
  readonly table: CatalogTable;
  readonly entry: PlannedTable;
  readonly path: PlanPath;
  /** 0: the row itself; its generated columns are invisible to a BEFORE trigger, its target is what is being filled. */
  readonly depth: number;
  /** Entries whose own rule is being followed, to notice a circle. */
  readonly within: readonly PlannedTable[];
  readonly aim: Aim;
}

/** Resolves one entry's rule against the catalog. Undefined when an issue was found. */
export class RuleResolver {
  #nodes = 0;

  constructor(
    readonly lookup: Lookup,
    /** The column of the row itself that is being filled; undefined: a rule over a row that is only read. */
    private readonly target: CatalogColumn | undefined,
  ) {}

  resolve(rule: Rule, scope: Scope): Node | undefined {
    this.#nodes += 1;
    if (this.#nodes > nodesMax) {
      if (this.#nodes === nodesMax + 1) this.#tooLarge(scope);
      return undefined;
    }
    switch (rule.kind) {
      case 'column':
        return this.column(rule.column, scope, [...scope.path, 'column']);
      case 'constant':
        return this.#constant(rule.value, scope);
      case 'firstOf': {
        const nodes = rule.rules.map((choice, i) =>
          this.resolve(choice, { ...scope, path: [...scope.path, 'firstOf', i] }),
        );
        return nodes.every((node) => node !== undefined) ? { kind: 'firstOf', nodes } : undefined;
      }
      case 'via':
        return this.#via(rule, scope);
      case 'lookup':
        return resolveLookup(this, rule, scope);
      case 'template':
        return resolveTemplate(this, rule, scope);
      case 'map':
        return resolveMap(this, rule, scope);
      case 'function':
        return resolveFunction(this, rule, scope);
    }
  }

  /** A column of the scope's row, turned into what the scope is for. */
  column(name: string, scope: Scope, path: PlanPath): Node | undefined {
    const column = this.ownColumn(name, scope, path);
    if (column === undefined) return undefined;
    const { aim } = scope;
    const fits = aim.asText ? plainTextMax(column) !== undefined : fitsWithoutLoss(column.type, aim.type);
    if (!fits) {
      const message = `column ${JSON.stringify(name)} of ${nameOf(scope.table)} is ${column.type}; ${aim.what} is ${aim.type}, which does not keep every such value`;
      const depends = `column ${JSON.stringify(name)} of ${nameOf(scope.table)} is ${column.type}, whose text depends on a session's settings`;
      const [said, help] = aim.asText
        ? [depends, 'use a column of another type']
        : [message, `make the target ${column.type}, or take the value from another column`];
      this.lookup.issues.add(codes.TypeMismatch, path, said, { help });
      return undefined;
    }
    return { kind: 'column', column };
  }

  #constant(value: string, scope: Scope): Node | undefined {
    return this.fitsLength(value, scope.aim.type, [...scope.path, 'constant'])
      ? { kind: 'constant', value }
      : undefined;
  }

  /** A cast would cut a constant that is too long without a word. */
  fitsLength(value: string, type: string, path: PlanPath): boolean {
    const max = lengthMax(type);
    if (max === undefined || [...value].length <= max) return true;
    const message = `the constant is ${[...value].length} characters long; ${type} keeps ${max}`;
    this.lookup.issues.add(codes.ConstantTooLong, path, message);
    return false;
  }

  #via(rule: Extract<Rule, { kind: 'via' }>, scope: Scope): Node | undefined {
    const path = [...scope.path, 'via'];
    const own = rule.columns.map((name) => this.ownColumn(name, scope, path));
    if (!own.every((column) => column !== undefined)) return undefined;
    const followed =
      rule.to === undefined ? this.#foreignKey(own, scope, path) : this.#to(rule.to, own, [...scope.path, 'to']);
    if (followed === undefined) return undefined;
    const { parent, pairs } = followed;
    if (
      !this.equalityKnown(
        parent,
        pairs.map(({ key }) => key),
        path,
      )
    )
      return undefined;
    const then =
      rule.then === undefined
        ? this.ownRule(parent, 'via without then', scope, path)
        : this.resolve(rule.then, { ...scope, table: parent, path: [...scope.path, 'then'], depth: scope.depth + 1 });
    return then === undefined ? undefined : { kind: 'follow', parent, pairs, then };
  }

  /** Whether the catalog says how values of these columns compare. */
  equalityKnown(table: CatalogTable, keys: readonly CatalogColumn[], path: PlanPath): boolean {
    const unknown = keys.find((key) => !isBuiltin(key.typeOid) && key.equality === undefined);
    if (unknown === undefined) return true;
    const message = `key column ${JSON.stringify(unknown.name)} of ${nameOf(table)} is ${unknown.type}, and the catalog names no equality operator for it`;
    this.lookup.issues.add(codes.UnknownEquality, path, message);
    return false;
  }

  /** A column of the scope's row as a rule may read it: of the row itself neither a generated one nor the one being filled. */
  ownColumn(name: string, scope: Scope, path: PlanPath): CatalogColumn | undefined {
    const column = this.lookup.column(scope.table, name, path);
    if (column === undefined || scope.depth > 0) return column;
    if (name === this.target?.name) {
      const message = `the rule reads ${JSON.stringify(name)} of ${nameOf(scope.table)}, the column it fills`;
      this.lookup.issues.add(codes.ReadsItsTarget, path, message, { help: 'name the column the value comes from' });
      return undefined;
    }
    if (!column.generated) return column;
    const message = `column ${JSON.stringify(name)} of ${nameOf(scope.table)} is generated: it is computed after BEFORE triggers, so the bridge cannot see it`;
    this.lookup.issues.add(codes.GeneratedColumn, path, message, { help: 'use the columns it is generated from' });
    return undefined;
  }

  #foreignKey(own: readonly CatalogColumn[], scope: Scope, path: PlanPath): Followed | undefined {
    const names = own.map((column) => column.name);
    const keys = distinctKeys(scope.table.foreignKeys.filter((key) => sameColumnSet(key.columns, names)));
    const [key, second] = keys;
    if (key === undefined) {
      const declared = scope.table.foreignKeys.map((each) => `${each.columns.join(', ')} (${each.name})`);
      const message = `${nameOf(scope.table)} declares no foreign key on ${names.map((name) => JSON.stringify(name)).join(', ')}`;
      this.lookup.issues.add(codes.NoForeignKey, path, message, {
        notes: [`foreign keys there: ${declared.join('; ') || 'none'}`],
        help: 'say where it leads: to: Group(id)',
      });
      return undefined;
    }
    if (second !== undefined) {
      const message = `${nameOf(scope.table)} declares ${keys.length} foreign keys on ${names.join(', ')}: ${keys.map((each) => each.name).join(', ')}`;
      this.lookup.issues.add(codes.AmbiguousForeignKey, path, message, { help: 'say which one with to:' });
      return undefined;
    }
    const parent = this.lookup.byRelid(key.toRelid);
    if (parent === undefined) {
      const message = `the parent of foreign key ${key.name} of ${nameOf(scope.table)} is not visible to this session`;
      this.lookup.issues.add(codes.TableMissing, path, message, {
        help: 'grant SELECT on its key and on the columns the rule reads',
      });
      return undefined;
    }
    const pairs = key.columns.map((name, i) => ({
      own: must(
        own.find((column) => column.name === name),
        `column ${name} of foreign key ${key.name}`,
      ),
      key: must(parent.columns.get(key.toColumns[i] ?? ''), `key column of foreign key ${key.name}`),
    }));
    return { parent, pairs };
  }

  #to(
    to: NonNullable<Extract<Rule, { kind: 'via' }>['to']>,
    own: readonly CatalogColumn[],
    path: PlanPath,
  ): Followed | undefined {
    const parent = this.lookup.table(to.table, path);
    if (parent === undefined) return undefined;
    const keys = to.columns.map((name) => this.lookup.column(parent, name, path));
    if (!keys.every((key) => key !== undefined)) return undefined;
    if (!parent.uniqueKeys.some((unique) => sameColumnSet(unique, to.columns))) {
      const message = `${to.columns.join(', ')} is not a unique key of ${nameOf(parent)}: more than one parent could match`;
      this.lookup.issues.add(codes.ParentKeyNotUnique, path, message, {
        notes: [`its unique keys: ${parent.uniqueKeys.map((unique) => `(${unique.join(', ')})`).join(' ') || 'none'}`],
      });
      return undefined;
    }
    const pairs = own.map((column, i) => ({
      own: column,
      key: must(keys[i], `key column ${i} of ${formatTableName(to.table)}`),
    }));
    const odd = pairs.find((pair) => !comparable(pair.own.type, pair.key.type));
    if (odd !== undefined) {
      const message = `${JSON.stringify(odd.own.name)} is ${odd.own.type}, ${JSON.stringify(odd.key.name)} of ${nameOf(parent)} is ${odd.key.type}: they do not compare`;
      this.lookup.issues.add(codes.ParentKeyNotUnique, path, message);
      return undefined;
    }
    return { parent, pairs };
  }

  /** `via` or `lookup` that takes nothing by name: the table's own rule, over its row; never its stored target (see README). */
  ownRule(parent: CatalogTable, without: string, scope: Scope, path: PlanPath): Node | undefined {
    const { plan, issues } = this.lookup;
    const entry = entryFor(plan, { schema: parent.schema, name: parent.name }, scope.entry.target.column);
    if (entry === undefined) {
      const several = plan.tables.some(
        (each) => each.table.name === parent.name && schemaOf(each.table) === parent.schema,
      );
      const why = several
        ? `several entries, none of them for ${JSON.stringify(scope.entry.target.column)}`
        : 'no entry in this plan';
      issues.add(codes.ParentNotPlanned, path, `${without} means the rule of ${nameOf(parent)}, which has ${why}`, {
        help: 'say what to take from it: then: { column: … }',
      });
      return undefined;
    }
    if (scope.within.includes(entry)) {
      const message = `the rule of ${formatTableName(entry.table)} leads back to itself through ${scope.within.map((each) => formatTableName(each.table)).join(' → ')}`;
      issues.add(codes.RuleCycle, path, message, { help: 'say then: somewhere on the circle' });
      return undefined;
    }
    return this.resolve(entry.rule, {
      table: parent,
      entry,
      path: ['tables', plan.tables.indexOf(entry), 'rule'],
      depth: scope.depth + 1,
      within: [...scope.within, entry],
      aim: scope.aim,
    });
  }

  #tooLarge(scope: Scope): void {
    const message = `the rule of ${formatTableName(scope.within[0]?.table ?? scope.entry.table)} compiles to more than ${nodesMax} look-ups and reads`;
    this.lookup.issues.add(codes.RuleTooLarge, scope.path, message, {
      help: 'take what the parents store: then: { column: … }',
    });
  }
}

interface Followed {
  readonly parent: CatalogTable;
  readonly pairs: readonly KeyPair[];
}

/** Two constraints that say the same are one. */
function distinctKeys(keys: readonly CatalogForeignKey[]): CatalogForeignKey[] {
  const text = (key: CatalogForeignKey): string =>
    JSON.stringify([key.toRelid, key.columns.map((name, i) => [name, key.toColumns[i]]).sort()]);
  return [...new Map(keys.map((key) => [text(key), key])).values()];
}
