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
import type { CatalogColumn, CatalogForeignKey, CatalogTable } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import { nameOf } from './issue.js';
import type { Lookup } from './lookup.js';
import { type KeyPair, type Node, nodesMax } from './node.js';
import { comparable, fitsWithoutLoss, isBuiltin, lengthMax } from './types.js';

/** Where a rule is read: over which table, in whose entry, how far from the row itself. */
interface Scope {
  readonly table: CatalogTable;
  readonly entry: PlannedTable;
  readonly path: PlanPath;
  /** 0: the row itself; its generated columns are invisible to a BEFORE trigger, its target is what is being filled. */
  readonly depth: number;
  /** Entries whose own rule is being followed, to notice a circle. */
  readonly within: readonly PlannedTable[];
}

/** Resolves one entry's rule against the catalog. Undefined when an issue was found. */
export class RuleResolver {
  #nodes = 0;

  constructor(
    private readonly lookup: Lookup,
    private readonly target: CatalogColumn,
  ) {}

  resolve(rule: Rule, scope: Scope): Node | undefined {
    this.#nodes += 1;
    if (this.#nodes > nodesMax) {
      if (this.#nodes === nodesMax + 1) this.#tooLarge(scope);
      return undefined;
    }
    switch (rule.kind) {
      case 'column':
        return this.#column(rule.column, scope);
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
    }
  }

  #column(name: string, scope: Scope): Node | undefined {
    const path = [...scope.path, 'column'];
    const column = this.#ownColumn(name, scope, path);
    if (column === undefined) return undefined;
    if (scope.depth === 0 && name === this.target.name) {
      const message = `the rule reads ${JSON.stringify(name)} of ${nameOf(scope.table)}, the column it fills`;
      this.lookup.issues.add(codes.ReadsItsTarget, path, message, { help: 'name the column the value comes from' });
      return undefined;
    }
    if (!fitsWithoutLoss(column.type, this.target.type)) {
      const message = `column ${JSON.stringify(name)} of ${nameOf(scope.table)} is ${column.type}; target ${JSON.stringify(this.target.name)} is ${this.target.type}, which does not keep every such value`;
      this.lookup.issues.add(codes.TypeMismatch, path, message, {
        help: `make the target ${column.type}, or take the value from another column`,
      });
      return undefined;
    }
    return { kind: 'column', column };
  }

  #constant(value: string, scope: Scope): Node | undefined {
    const max = lengthMax(this.target.type);
    if (max !== undefined && [...value].length > max) {
      const message = `the constant is ${[...value].length} characters long; ${this.target.type} keeps ${max}`;
      this.lookup.issues.add(codes.ConstantTooLong, [...scope.path, 'constant'], message);
      return undefined;
    }
    return { kind: 'constant', value };
  }

  #via(rule: Extract<Rule, { kind: 'via' }>, scope: Scope): Node | undefined {
    const path = [...scope.path, 'via'];
    const own = rule.columns.map((name) => this.#ownColumn(name, scope, path));
    if (!own.every((column) => column !== undefined)) return undefined;
    const followed =
      rule.to === undefined ? this.#foreignKey(own, scope, path) : this.#to(rule.to, own, [...scope.path, 'to']);
    if (followed === undefined) return undefined;
    const { parent, pairs } = followed;
    for (const { key } of pairs) {
      if (isBuiltin(key.typeOid) || key.equality !== undefined) continue;
      const message = `key column ${JSON.stringify(key.name)} of ${nameOf(parent)} is ${key.type}, and the catalog names no equality operator for it`;
      this.lookup.issues.add(codes.UnknownEquality, path, message);
      return undefined;
    }
    const then =
      rule.then === undefined
        ? this.#parentRule(parent, scope, path)
        : this.resolve(rule.then, { ...scope, table: parent, path: [...scope.path, 'then'], depth: scope.depth + 1 });
    return then === undefined ? undefined : { kind: 'follow', parent, pairs, then };
  }

  #ownColumn(name: string, scope: Scope, path: PlanPath): CatalogColumn | undefined {
    const column = this.lookup.column(scope.table, name, path);
    if (column === undefined || !column.generated || scope.depth > 0) return column;
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

  /** `via` without `then`: the parent's own rule, over the parent's row; never its stored target (see README). */
  #parentRule(parent: CatalogTable, scope: Scope, path: PlanPath): Node | undefined {
    const { plan, issues } = this.lookup;
    const entry = entryFor(plan, { schema: parent.schema, name: parent.name }, scope.entry.target.column);
    if (entry === undefined) {
      const several = plan.tables.some(
        (each) => each.table.name === parent.name && schemaOf(each.table) === parent.schema,
      );
      const why = several
        ? `several entries, none of them for ${JSON.stringify(scope.entry.target.column)}`
        : 'no entry in this plan';
      issues.add(
        codes.ParentNotPlanned,
        path,
        `via without then means the rule of ${nameOf(parent)}, which has ${why}`,
        { help: 'say what to take from the parent: then: { column: … }' },
      );
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
