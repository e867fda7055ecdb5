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
  /** Those of them that the table itself has: what `source` needs of a relation that stands for it. */
  readonly columnsStored: readonly string[];
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

/** Entities to come whose identity is computed: no index finds them, so a statement that looks for them begins `with <name> as materialized (<text>)`. */
export interface EntitiesToCome {
  readonly name: string;
  readonly text: string;
  /** The entity's source, where its rows are the table's alone. */
  readonly sourceRelid: number | undefined;
  /** The text over another relation than the source itself: some of its rows, alias `r` included. */
  readonly over: (relation: string) => string;
}

export interface ForeseenPlan {
  /** In the plan's order. */
  readonly derivations: readonly ForeseenDerivation[];
  readonly entities: readonly ForeseenEntity[];
  /** In an order in which each needs only those before it. */
  readonly toCome: readonly EntitiesToCome[];
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
    views.make(entity);
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
      columnsStored: views.columnsStored(derivation.table),
      stored: isStored(derivation),
      readAsStored: unforeseen.map(nameOf),
    });
    views.fill(derivation, expression);
  }
  return {
    derivations: derivations.flatMap((derivation) => foreseen.get(derivation) ?? []),
    entities,
    toCome: views.toCome,
  };
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
  readonly #columnsStored = new Map<number, readonly string[]>();
  /** Rows that will be made, by the rows that are there. */
  readonly #made = new Map<number, Source>();
  /** The same, one relation for each entity. */
  readonly #apart = new Map<number, { readonly indexed: readonly string[]; readonly scanned: readonly string[] }>();
  readonly #toCome: EntitiesToCome[] = [];

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
    for (const [relid, columns] of this.#columns) this.#columnsStored.set(relid, [...columns.values()]);
    for (const derivation of derivations) if (!isStored(derivation)) this.#put(derivation, nullOf(derivation));
  }

  get toCome(): readonly EntitiesToCome[] {
    return this.#toCome;
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

  columnsStored(table: CatalogTable): readonly string[] {
    return this.#columnsStored.get(table.relid) ?? [];
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
  make(entity: CompiledEntity): void {
    const { table, source, identity, createdBy } = entity;
    if (createdBy !== 'highwater') return;
    const before = this.#made.get(table.relid) ?? plain;
    const existing = before(this.source(table)(relationOf(table)));
    const there = identity
      .flatMap(({ name }) => table.columns.get(name) ?? [])
      .map((column) => equal('e', column, 'm', column))
      .join(' and ');
    const idents = [...(this.#columns.get(table.relid)?.values() ?? [])];
    const of = (alias: string): string => idents.map((ident) => `${alias}.${ident}`).join(', ');
    const absent = `not exists (select from ${withAlias(existing, 'e')} where ${there})`;
    const made = this.#madeOf(entity);
    // as it is now: later it will be filled by rules that look for these very rows
    const rowsOfSource = this.source(source);
    const direct = `select ${of('m')} from ${made.text(this.from(source))} where ${absent}`;
    const isPlain = made.plain && direct.length <= textMax;
    if (!isPlain)
      this.#toCome.push({
        name: `hw_to_come_${this.#toCome.length}`,
        text: direct,
        sourceRelid: this.#made.has(source.relid) ? undefined : source.relid,
        over: (relation) => `select ${of('m')} from ${made.text(rowsOfSource(relation))} where ${absent}`,
      });
    const coming = isPlain ? direct : `select ${of('m')} from ${this.#toCome.at(-1)?.name} as m`;
    this.#made.set(table.relid, (rows) => `(select ${of('r')} from ${before(rows)} union all ${coming}) as r`);
    const apart = this.#apart.get(table.relid) ?? { indexed: [], scanned: [] };
    const [indexed, scanned] = isPlain ? [[`(${direct})`], []] : [[], [`hw_to_come_${this.#toCome.length - 1}`]];
    this.#apart.set(table.relid, {
      indexed: [...apart.indexed, ...indexed],
      scanned: [...apart.scanned, ...scanned],
    });
  }

  /** Where each source row is one entity, found by the source's own index, nothing needs to be sorted or kept. */
  #madeOf({ table, source, sourceKey, identity, values, reason }: CompiledEntity): {
    readonly plain: boolean;
    readonly text: (rows: string) => string;
  } {
    const given = new Map([...identity, ...values].map(({ name, expression }) => [name, expression]));
    const columns = [...(this.#columns.get(table.relid) ?? [])];
    const list = columns.map(([name, ident]) => `${given.get(name) ?? nullFor(table, name)} as ${ident}`).join(', ');
    const keys = identity.map(({ expression }) => expression).join(', ');
    const order = sourceKey.map(({ ident }) => `r.${ident}`).join(', ');
    const from = [...source.columns.values()]
      .filter(({ ident }) => identity.some(({ expression }) => expression === `r.${ident}`))
      .map(({ name }) => name);
    const isPlain =
      !this.#made.has(source.relid) &&
      from.length === identity.length &&
      source.uniqueKeys.some((key) => key.length > 0 && key.every((name) => from.includes(name)));
    const first = isPlain ? '' : `distinct on (${keys}) `;
    const ordered = isPlain ? '' : ` order by ${keys}, ${order}`;
    return {
      plain: isPlain,
      text: (rows) => `(select ${first}${list} from ${rows} where (${reason}) is null${ordered}) as m`,
    };
  }

  #seen(table: CatalogTable): CatalogTable {
    if (!this.#sources.has(table.relid) && !this.#made.has(table.relid)) return table;
    const ident = withAlias(this.from(table), undefined) as Ident;
    const apart = this.#apart.get(table.relid);
    // as a partitioned table, before which nobody writes ONLY
    if (!apart) return { ...table, ident, kind: 'p' };
    const now = withAlias(this.source(table)(relationOf(table)), undefined) as Ident;
    const { indexed, scanned } = apart as { indexed: readonly Ident[]; scanned: readonly Ident[] };
    return { ...table, ident, kind: 'p', apart: { now, indexed, scanned } };
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
