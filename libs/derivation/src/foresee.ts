import { must } from '@highwater/kernel';
import type { Plan } from '@highwater/plan';
import type { Catalog, CatalogTable, Ident, SqlExpression } from './catalog.js';
import { compilePlan } from './compile.js';
import { type CompiledDerivation, type CompiledEntity, placeOfRow } from './derivation.js';
import { equal } from './equal.js';
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

/** An entity as it will be made, from rows of its source as the run will leave them. */
export interface ForeseenEntity {
  /** Its texts over the source row alias `r`. */
  readonly entity: CompiledEntity;
  /** What stands behind `from`, alias `r` included. */
  readonly source: string;
}

export interface ForeseenPlan {
  /** In the plan's order. */
  readonly derivations: readonly ForeseenDerivation[];
  readonly entities: readonly ForeseenEntity[];
}

/** A text longer than this is not put into other texts. */
const textMax = 20_000;

/**
 * The plan's rules over the database as the run will leave it. Where a rule reads another target of the plan it reads what is stored there, else
 * that target's rule; where that column is not there yet, its rule alone. Targets that lead to each other in a circle are read as they are stored.
 * Entities that the run makes are there already; those that the application makes are there when they are.
 *
 * @param alsoRead further columns of a table that `source` must have, by relid.
 */
export function foreseePlan(
  plan: Plan,
  catalog: Catalog,
  compiled: { readonly derivations: readonly CompiledDerivation[]; readonly entities: readonly CompiledEntity[] },
  alsoRead: ReadonlyMap<number, readonly string[]> = new Map(),
): ForeseenPlan {
  const { derivations } = compiled;
  const views = new Views(catalog, compiled, alsoRead);
  const over = (): { derivations: readonly CompiledDerivation[]; entities: readonly CompiledEntity[] } => {
    const again = compilePlan(plan, views.catalog());
    // what compiles against the catalog compiles against its views, which have the same names and types
    if ('issues' in again) throw new Error('invariant broken: a rule does not compile over what is foreseen');
    return again;
  };
  const entities = compiled.entities.map((real, i): ForeseenEntity => {
    const entity = { ...real, ...textsOf(must(over().entities[i], 'an entity for each of the plan')) };
    const source = views.from(real.source);
    views.make(entity, source);
    return { entity, source };
  });
  const foreseen = new Map<CompiledDerivation, ForeseenDerivation>();
  for (const { derivation, unforeseen } of inOrder(derivations)) {
    const { expression, reason, branches, referentExists } = must(
      over().derivations[derivations.indexOf(derivation)],
      'a derivation for each target of the plan',
    );
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
      readAsStored: unforeseen.map(nameOf),
    });
    views.fill(derivation, expression);
  }
  return { derivations: derivations.flatMap((derivation) => foreseen.get(derivation) ?? []), entities };
}

const textsOf = ({
  identity,
  values,
  reason,
}: CompiledEntity): Pick<CompiledEntity, 'identity' | 'values' | 'reason'> => ({ identity, values, reason });

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
  /** Rows that will be made, by the rows that are there. */
  readonly #made = new Map<number, Source>();

  constructor(
    private readonly real: Catalog,
    {
      derivations,
      entities,
    }: { readonly derivations: readonly CompiledDerivation[]; readonly entities: readonly CompiledEntity[] },
    alsoRead: ReadonlyMap<number, readonly string[]>,
  ) {
    const tables = new Map(real.tables.map((table) => [table.relid, table]));
    for (const { table, identity, inputs } of entities) {
      for (const { relid, columns } of inputs) this.#need(tables.get(relid), columns);
      const names = identity.map(({ name }) => name);
      this.#need(table, names);
    }
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
      const ident = name === placeOfRow.name ? placeOfRow.ident : table.columns.get(name)?.ident;
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

  /** The table as rules that lead to it find it. */
  from(table: CatalogTable): string {
    const rows = this.source(table)(relationOf(table));
    return this.#made.get(table.relid)?.(rows) ?? rows;
  }

  /** From now on the entities that the run makes of these rows are there, one for each identity: the first source row's by the source's key. */
  make({ table, sourceKey, identity, values, createdBy, reason }: CompiledEntity, source: string): void {
    if (createdBy !== 'highwater') return;
    const given = new Map([...identity, ...values].map(({ name, expression }) => [name, expression]));
    const columns = [...(this.#columns.get(table.relid) ?? [])];
    const list = columns.map(([name, ident]) => `${given.get(name) ?? nullFor(table, name)} as ${ident}`).join(', ');
    const keys = identity.map(({ expression }) => expression).join(', ');
    const order = sourceKey.map(({ ident }) => `r.${ident}`).join(', ');
    const first = `(select distinct on (${keys}) ${list} from ${source} where (${reason}) is null order by ${keys}, ${order}) as m`;
    if (first.length > textMax) return;
    const there = identity
      .flatMap(({ name }) => table.columns.get(name) ?? [])
      .map((column) => equal('e', column, 'm', column))
      .join(' and ');
    const idents = columns.map(([, ident]) => ident);
    const of = (alias: string): string => idents.map((ident) => `${alias}.${ident}`).join(', ');
    const before = this.#made.get(table.relid) ?? plain;
    const existing = before(this.source(table)(relationOf(table)));
    const absent = `not exists (select from ${withAlias(existing, 'e')} where ${there})`;
    this.#made.set(
      table.relid,
      (rows) =>
        `(select ${of('r')} from ${before(rows)} union all select ${of('m')} from ${first} where ${absent}) as r`,
    );
  }

  #seen(table: CatalogTable): CatalogTable {
    if (!this.#sources.has(table.relid) && !this.#made.has(table.relid)) return table;
    // as a partitioned table, before which nobody writes ONLY
    return { ...table, ident: withAlias(this.from(table), undefined) as Ident, kind: 'p' };
  }
}

const alias = ' as r';
const withAlias = (from: string, name: string | undefined): string =>
  `${from.slice(0, from.lastIndexOf(alias))}${name === undefined ? '' : ` as ${name}`}`;

const nullFor = (table: CatalogTable, name: string): string => {
  const column = table.columns.get(name);
  return column === undefined ? 'null' : `null::${typeSql(column.type, column.typeOid)}`;
};

const plain: Source = (relation) => relation;
const relationOf = (table: CatalogTable): string => `${table.kind === 'r' ? 'only ' : ''}${table.ident}${alias}`;

const nullOf = ({ target }: CompiledDerivation): string => `null::${typeSql(target.type, 0)}`;
