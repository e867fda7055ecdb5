import type { Plan } from '@highwater/plan';
import type { Catalog, CatalogTable, Ident, SqlExpression } from './catalog.js';
import { compilePlan } from './compile.js';
import type { CompiledDerivation } from './derivation.js';
import { typeSql } from './types.js';

/** A rule as it will give its value once the other targets of the plan are filled. */
export interface ForeseenDerivation {
  /** `expression`, `reason`, `branches` and `referentExists` over `source`; everything else as the plan compiles. */
  readonly derivation: CompiledDerivation;
  /**
   * What stands behind `from`, alias `r` included: the rows of the table with the columns that its rules and its key need. `relation` is the table's own part of
   * it (`only public."Group" as r`), where a sample may be asked for.
   */
  readonly source: (relation: string) => string;
  /** The columns that `source` has for certain: nothing else of the table may need to be granted. */
  readonly columns: readonly string[];
  /** The target is there; else `source` has it as NULL. */
  readonly stored: boolean;
  /** Other targets of the plan that are read as they are stored now, as `table.column`: more rows may get a value than is foreseen. */
  readonly readAsStored: readonly string[];
}

/** A text longer than this is not put into other texts. */
const textMax = 20_000;

/**
 * The plan's rules over the database as the run will leave it: where a rule reads another target of the plan it reads what is stored there, else
 * that target's rule; where that column is not there yet, its rule alone. Targets that lead to each other in a circle are read as they are stored.
 *
 * @param alsoRead further columns of a table that `source` must have, by relid.
 */
export function foreseePlan(
  plan: Plan,
  catalog: Catalog,
  derivations: readonly CompiledDerivation[],
  alsoRead: ReadonlyMap<number, readonly string[]> = new Map(),
): ForeseenDerivation[] {
  const views = new Views(catalog, derivations, alsoRead);
  const foreseen = new Map<CompiledDerivation, ForeseenDerivation>();
  for (const { derivation, unforeseen } of inOrder(derivations)) {
    const compiled = compilePlan(plan, views.catalog());
    const over = 'issues' in compiled ? undefined : compiled.derivations[derivations.indexOf(derivation)];
    // what compiles against the catalog compiles against its views, which have the same names and types
    if (over === undefined) throw new Error('invariant broken: a rule does not compile over what is foreseen');
    const { expression, reason, branches, referentExists } = over;
    foreseen.set(derivation, {
      derivation: {
        ...derivation,
        expression,
        reason,
        branches,
        ...(referentExists === undefined ? {} : { referentExists }),
      },
      source: views.source(derivation.table),
      columns: views.columns(derivation.table),
      stored: isStored(derivation),
      readAsStored: unforeseen.filter((one) => one !== derivation || readsItself(one)).map(nameOf),
    });
    views.fill(derivation, expression);
  }
  return derivations.flatMap((derivation) => foreseen.get(derivation) ?? []);
}

const isStored = ({ table, target }: CompiledDerivation): boolean => table.columns.has(target.name);
const nameOf = ({ table, target }: CompiledDerivation): string => `${table.schema}.${table.name}.${target.name}`;

const reads = (of: CompiledDerivation, other: CompiledDerivation): boolean =>
  of.inputs.some(({ relid, columns }) => relid === other.table.relid && columns.includes(other.target.name));
const readsItself = (one: CompiledDerivation): boolean => reads(one, one);

interface Ordered {
  readonly derivation: CompiledDerivation;
  /** Read by it, and not foreseen before it. */
  readonly unforeseen: readonly CompiledDerivation[];
}

/** Each after those it reads; a circle is begun with the plan's first. */
function inOrder(derivations: readonly CompiledDerivation[]): Ordered[] {
  const order: Ordered[] = [];
  const left = new Set(derivations);
  while (left.size > 0) {
    const missing = (one: CompiledDerivation): CompiledDerivation[] =>
      [...left].filter((other) => other !== one && reads(one, other));
    const [first] = left;
    const derivation = [...left].find((one) => missing(one).length === 0) ?? first;
    if (derivation === undefined) return order;
    order.push({ derivation, unforeseen: [...missing(derivation), ...(readsItself(derivation) ? [derivation] : [])] });
    left.delete(derivation);
  }
  return order;
}

type Source = (relation: string) => string;

/** The tables of the plan as sub-selects: filled targets on top of what is stored. */
class Views {
  readonly #sources = new Map<number, Source>();
  readonly #columns = new Map<number, Map<string, string>>();

  constructor(
    private readonly real: Catalog,
    derivations: readonly CompiledDerivation[],
    alsoRead: ReadonlyMap<number, readonly string[]>,
  ) {
    const tables = new Map(real.tables.map((table) => [table.relid, table]));
    for (const derivation of derivations) {
      for (const { relid, columns } of derivation.inputs) this.#need(tables.get(relid), columns);
      const { table, key, target } = derivation;
      this.#need(table, [...key.map(({ name }) => name), ...(alsoRead.get(table.relid) ?? [])]);
      if (isStored(derivation)) this.#need(table, [target.name]);
    }
    for (const derivation of derivations) if (!isStored(derivation)) this.#put(derivation, nullOf(derivation));
  }

  #need(table: CatalogTable | undefined, names: readonly string[]): void {
    if (table === undefined) return;
    const columns = this.#columns.get(table.relid) ?? new Map<string, string>();
    for (const name of names) {
      const ident = table.columns.get(name)?.ident;
      if (ident !== undefined) columns.set(name, ident);
    }
    this.#columns.set(table.relid, columns);
  }

  /** From now on the target reads as it will be. */
  fill(derivation: CompiledDerivation, expression: SqlExpression): void {
    const { target } = derivation;
    if (expression.length > textMax) return;
    this.#put(derivation, isStored(derivation) ? `coalesce(r.${target.ident}, ${expression})` : expression);
  }

  #put({ table, target }: CompiledDerivation, value: string): void {
    const columns = this.#columns.get(table.relid) ?? new Map<string, string>();
    const others = [...columns].filter(([name]) => name !== target.name).map(([, ident]) => `r.${ident}`);
    const list = [...others, `${value} as ${target.ident}`].join(', ');
    const below = this.#sources.get(table.relid) ?? plain;
    this.#columns.set(table.relid, new Map([...columns, [target.name, target.ident]]));
    this.#sources.set(table.relid, (relation) => `(select ${list} from ${below(relation)}) as r`);
  }

  source(table: CatalogTable): Source {
    return this.#sources.get(table.relid) ?? plain;
  }

  columns(table: CatalogTable): string[] {
    return [...(this.#columns.get(table.relid)?.values() ?? [])];
  }

  catalog(): Catalog {
    return { ...this.real, tables: this.real.tables.map((table) => this.#seen(table)) };
  }

  #seen(table: CatalogTable): CatalogTable {
    const source = this.#sources.get(table.relid);
    if (source === undefined) return table;
    const text = source(relationOf(table));
    // as a partitioned table, before which nobody writes ONLY
    return { ...table, ident: text.slice(0, text.lastIndexOf(' as r')) as Ident, kind: 'p' };
  }
}

const plain: Source = (relation) => relation;
const relationOf = (table: CatalogTable): string => `${table.kind === 'r' ? 'only ' : ''}${table.ident} as r`;

const nullOf = ({ target }: CompiledDerivation): string => `null::${typeSql(target.type, 0)}`;
