import type { CatalogFunction, CatalogTable, Ident, SqlExpression } from './catalog.js';
import type { RuleBranches } from './print-branch.js';

/** A table and the columns of it that a compiled rule reads: what to grant, fingerprint and publish. */
export interface DerivationInput {
  readonly relid: number;
  readonly ident: Ident;
  /** Exact column names, sorted. */
  readonly columns: readonly string[];
  /** The same columns as the catalog had them when the rule was compiled, for `fingerprintInputs`. */
  readonly shapes: readonly ColumnShape[];
}

export interface ColumnShape {
  readonly name: string;
  /** 0: planned (`addColumn`), not there yet. */
  readonly attnum: number;
  readonly type: string;
}

export interface TableSearch {
  readonly relid: number;
  readonly ident: Ident;
  readonly columns: readonly string[];
}

export interface KeyColumn {
  readonly name: string;
  readonly ident: Ident;
  readonly type: string;
}

/** Stands in for the key of a table that has none: where a row lies, which names it until somebody updates it. */
export const placeOfRow: KeyColumn = { name: 'ctid', ident: 'ctid' as Ident, type: 'tid' };

/** False: the rows have no name that outlives their next update. They get no hints, and nothing about them is remembered for long. */
export const hasKey = ({ key }: { readonly key: readonly KeyColumn[] }): boolean => key[0]?.name !== placeOfRow.name;

/**
 * A rule that begins with `via`, as joins: `from <row> as r, <from> where <on>` has one row for each row that has its parent, and `value` is the
 * rule's value there (NULL when there is none). A row without its parent has no value.
 */
export interface RuleAsJoin {
  readonly from: SqlExpression;
  readonly on: SqlExpression;
  readonly value: SqlExpression;
}

/**
 * The one compiled form of a rule. `expression` and `reason` are scalar SQL over the row alias `r`
 * (`… from public."Activity" as r`; in the bridge `… from (select new.*) as r`).
 */
export interface CompiledDerivation {
  readonly table: CatalogTable;
  readonly key: readonly KeyColumn[];
  readonly target: { readonly name: string; readonly ident: Ident; readonly type: string };
  /** Value, of the target's type; NULL when there is none. */
  readonly expression: SqlExpression;
  /** Text: one of NoValueReason when `expression` is NULL, else NULL. */
  readonly reason: SqlExpression;
  /** Which way through the rule gives the value: for the forecast alone. */
  readonly branches: RuleBranches;
  readonly inputs: readonly DerivationInput[];
  /** Tables that a `lookup` searches, and the columns by which: each row costs a scan where no index begins with one of them. */
  readonly searches?: readonly TableSearch[];
  /** Functions it calls: what to let the roles execute, and to watch. */
  readonly functions?: readonly CatalogFunction[];
  /** The same rule for many rows at once, where that is provably the same value. */
  readonly join?: RuleAsJoin;
  /**
   * Boolean over `r` and the value alias `v.value`: the foreign key's parent exists. Undefined when no foreign key is declared, or
   * when its parent is an entity: then `expression` is NULL without it, and the reason `EntityMissing`.
   */
  readonly referentExists?: SqlExpression;
  /** The value whether or not its entity is there; given together with `entities`. */
  readonly unguarded?: SqlExpression;
  /** Entities that the value leads to and that we make, in the plan's order. */
  readonly entities?: readonly ReferredEntity[];
  /** The plan has a journal: whoever writes the value enters it there in the same transaction. */
  readonly journal?: true;
}

/** A column of an entity that we write. */
export interface EntityColumn extends KeyColumn {
  /** Scalar SQL over the source row alias `r`, of the column's type; NULL when there is none. */
  readonly expression: SqlExpression;
  /** The source's own column that the value is, as it is stored there. */
  readonly plain?: string;
}

/** An entity that a row's value may lead to, and where a trigger on the row finds the source it is made from. */
export interface ReferredEntity {
  /** Index in `plan.entities`. */
  readonly entityNo: number;
  readonly entity: CompiledEntity;
  /**
   * `row`: the row itself is the source. Else boolean SQL over the source alias `r` and the value alias `v.value`, true for the sources of the entity that the
   * value means. Undefined: neither, so that only we make it, in a transaction of our own.
   */
  readonly source?: 'row' | SqlExpression;
}

/** Rows that a migration makes if absent: one for each row of the source whose identity has a value. */
export interface CompiledEntity {
  readonly table: CatalogTable;
  readonly source: CatalogTable;
  /** Where a pass over the source orders and stops; of two sources of one entity the first in this order gives the values. */
  readonly sourceKey: readonly KeyColumn[];
  /** Columns of a valid unique index of the table, in the plan's order. */
  readonly identity: readonly EntityColumn[];
  readonly values: readonly EntityColumn[];
  readonly createdBy: 'highwater' | 'application';
  /** Boolean over `r`: the row that the identity means is there, whoever made it. NULL never: false where the identity has no value. */
  readonly exists: SqlExpression;
  /**
   * Text over `r`: why no row can be made, one of NoValueReason for a column that takes no NULL; NULL when it can. The identity alone is
   * judged where the application makes the rows.
   */
  readonly reason: SqlExpression;
  /** What its rules read of the source and of other tables; the identity columns of the entity's own table are not among them. */
  readonly inputs: readonly DerivationInput[];
  readonly searches?: readonly TableSearch[];
  readonly functions?: readonly CatalogFunction[];
}
