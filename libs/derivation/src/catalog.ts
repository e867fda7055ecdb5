import type { Brand } from '@highwater/kernel';

/** An identifier as the catalog's own `format('%I')` / `format('%I.%I')` wrote it: the only text that may name something in SQL. */
export type Ident = Brand<string, 'Ident'>;
/** A scalar SQL expression over the row alias `r`, made only by this lib; every splice of raw SQL is one of these. */
export type SqlExpression = Brand<string, 'SqlExpression'>;

export interface CatalogColumn {
  readonly attnum: number;
  /** Exact name, unquoted. */
  readonly name: string;
  readonly ident: Ident;
  /** `format_type(atttypid, atttypmod)`. */
  readonly type: string;
  readonly typeOid: number;
  readonly notNull: boolean;
  readonly generated: boolean;
  /** A row made without it gets a value: default, identity, default of its domain. */
  readonly hasDefault?: boolean;
  /** Oid of the sequence that the default takes its value from: who inserts needs USAGE on it. */
  readonly sequence?: number;
  /** Schema-qualified collation of a collatable column; left out for other types. Two text columns may differ in it, and then `=` raises 42P22. */
  readonly collation?: Ident;
  /**
   * The equality operator of the type's default btree operator class, as `OPERATOR(schema.=)`; only for types that are not
   * built in (domains, enums, citext, …). Without it a key of such a type is refused rather than compared by a guess.
   */
  readonly equality?: string;
  /** For types that are not built in: its text is the same whatever a session's settings (enums, citext, domains over plain types). */
  readonly plainText?: boolean;
}

export interface CatalogForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly toRelid: number;
  readonly toColumns: readonly string[];
  readonly validated: boolean;
}

export interface CatalogTable {
  readonly relid: number;
  readonly schema: string;
  readonly name: string;
  /** Schema-qualified and quoted. */
  readonly ident: Ident;
  /** `r` ordinary, `p` partitioned. */
  readonly kind: 'r' | 'p';
  readonly columns: ReadonlyMap<string, CatalogColumn>;
  /** Column names of the primary key, empty when there is none. */
  readonly primaryKey: readonly string[];
  /** Column sets of valid, unconditional, immediate unique indexes (the primary key included). */
  readonly uniqueKeys: readonly (readonly string[])[];
  readonly foreignKeys: readonly CatalogForeignKey[];
  /**
   * Of a table as it is foreseen (`foreseePlan`): its rows of now, and rows to come, those that an index finds (`indexed`) and those that only a scan does. Whether a key is
   * there is asked of each by itself: one condition over all of them becomes a join that goes through the scanned ones once for each row.
   */
  readonly apart?: { readonly now: Ident; readonly indexed: readonly Ident[]; readonly scanned: readonly Ident[] };
}

/** What the database looked like when it was read; pure code looks tables up here. */
export interface Catalog {
  readonly tables: readonly CatalogTable[];
  /** Those of the names that the plan's rules call, in any schema of those names, all overloads. */
  readonly functions?: readonly CatalogFunction[];
}

export interface CatalogType {
  /** `format_type`. */
  readonly type: string;
  readonly typeOid: number;
}

export interface CatalogFunction {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Schema-qualified and quoted, without arguments. */
  readonly ident: Ident;
  readonly arguments: readonly CatalogType[];
  readonly returns: CatalogType;
  /** `f` function; others are procedures, aggregates and window functions. */
  readonly kind: string;
  /** `i` immutable, `s` stable, `v` volatile. */
  readonly volatility: string;
  readonly returnsSet: boolean;
  readonly variadic: boolean;
  readonly securityDefiner: boolean;
  /** The configuration lets rules call it; no plan can. */
  readonly allowed: boolean;
  /** Changes with what the function does. */
  readonly definition: string;
}
