import {
  type Plan,
  type PlanPath,
  type PlannedTable,
  type TableName,
  formatTableName,
  schemaOf,
  suggest,
} from '@highwater/plan';
import type { Catalog, CatalogColumn, CatalogTable } from './catalog.js';
import { derivationCodes } from './codes.js';
import { type Issues, listNames, nameOf } from './issue.js';
import { plannedIdent } from './quote.js';
import { canonicalType, typeSql } from './types.js';

/** Finds tables and columns, with those the plan will add; what is not there becomes an issue with a suggestion. */
export class Lookup {
  readonly #byRelid: ReadonlyMap<number, CatalogTable>;
  readonly #added = new Map<number, Map<string, CatalogColumn>>();

  constructor(
    readonly plan: Plan,
    readonly catalog: Catalog,
    readonly issues: Issues,
    private readonly tableNames: readonly string[] = [],
  ) {
    this.#byRelid = new Map(catalog.tables.map((table) => [table.relid, table]));
    for (const entry of plan.tables) {
      const table = this.find(entry.table);
      if (table === undefined || !entry.target.addColumn || table.columns.has(entry.target.column)) continue;
      const columns = this.#added.get(table.relid) ?? new Map<string, CatalogColumn>();
      columns.set(entry.target.column, plannedColumn(entry));
      this.#added.set(table.relid, columns);
    }
  }

  find(name: TableName): CatalogTable | undefined {
    return this.catalog.tables.find((table) => table.name === name.name && table.schema === schemaOf(name));
  }

  /** Whether the plan makes rows of this table, or waits for them. */
  isEntity(table: CatalogTable): boolean {
    return this.plan.entities.some((entity) => this.find(entity.table)?.relid === table.relid);
  }

  byRelid(relid: number): CatalogTable | undefined {
    return this.#byRelid.get(relid);
  }

  table(name: TableName, path: PlanPath): CatalogTable | undefined {
    const table = this.find(name);
    if (table === undefined) this.#tableMissing(name, path);
    return table;
  }

  column(table: CatalogTable, name: string, path: PlanPath): CatalogColumn | undefined {
    const column = table.columns.get(name) ?? this.#added.get(table.relid)?.get(name);
    if (column === undefined) this.issues.columnMissing(path, table, name);
    return column;
  }

  #tableMissing(name: TableName, path: PlanPath): void {
    const message = `table ${JSON.stringify(formatTableName(name))} does not exist in schema ${schemaOf(name)}, or is not visible to this session`;
    const read = this.catalog.tables.map((table) => (table.schema === 'public' ? table.name : nameOf(table)));
    const known = [...new Set([...this.tableNames, ...read])].sort();
    const near = known.find((each) => each.endsWith(`.${name.name}`)) ?? suggest(formatTableName(name), known);
    this.issues.add(derivationCodes.TableMissing, path, message, {
      notes: [`tables visible to this session: ${listNames(known)}`],
      ...(near === undefined ? {} : { help: `did you mean ${JSON.stringify(near)}? Names are case-sensitive here.` }),
    });
  }
}

function plannedColumn(entry: PlannedTable): CatalogColumn {
  const { column: name, type } = entry.target;
  return {
    attnum: 0,
    name,
    ident: plannedIdent(name),
    type: typeSql(canonicalType(type), 0),
    typeOid: 0,
    notNull: false,
    generated: false,
  };
}
