import type { Catalog, CatalogTable } from '@highwater/derivation';
import type { Access } from '../session/database.js';

interface StoredTable extends Omit<CatalogTable, 'columns'> {
  readonly columns: readonly (CatalogTable['columns'] extends ReadonlyMap<string, infer Column> ? Column : never)[];
}

interface StoredCatalog extends Omit<Catalog, 'tables'> {
  readonly tables: readonly StoredTable[];
}

/** Keeps the catalog the plan was compiled against, for the day it cannot be compiled against the present one. */
export async function storeCatalog(state: Access, id: string, catalog: Catalog): Promise<void> {
  const stored: StoredCatalog = {
    ...catalog,
    tables: catalog.tables.map((table) => ({ ...table, columns: [...table.columns.values()] })),
  };
  await state.query(
    `storing the catalog of ${id}`,
    `update highwater.migration set catalog = $2::jsonb where id = $1 and catalog is distinct from $2::jsonb`,
    [id, JSON.stringify(stored)],
  );
}

export async function readStoredCatalog(state: Access, id: string): Promise<Catalog | undefined> {
  const [row] = await state.query<{ catalog: StoredCatalog | null }>(
    `reading the stored catalog of ${id}`,
    `select catalog from highwater.migration where id = $1`,
    [id],
  );
  if (!row?.catalog) return undefined;
  return {
    ...row.catalog,
    tables: row.catalog.tables.map((table) => ({
      ...table,
      columns: new Map(table.columns.map((column) => [column.name, column])),
    })),
  };
}

/**
 * Whether the tables are still what preflight found. While they are not, both gates are closed, and no projection opens them; the next
 * projection after they fit again does.
 */
export async function projectSchemaFit(state: Access, id: string, changed: boolean): Promise<void> {
  await state.query(
    `projecting whether the schema of ${id} fits`,
    `with moved as (
       update highwater.migration set schema_changed = $2 where id = $1 and schema_changed is distinct from $2 returning id
     )
     update highwater.gate as g set sweep_open = false, live_open = false, changed_at = clock_timestamp()
       from moved where g.migration_id = moved.id and $2`,
    [id, changed],
  );
}
