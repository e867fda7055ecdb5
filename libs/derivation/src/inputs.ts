import type { CatalogColumn, CatalogTable } from './catalog.js';
import type { DerivationInput } from './derivation.js';
import type { Node } from './node.js';

/** Gathers the tables and columns that compiled SQL reads: what to grant, fingerprint and watch. */
export class Inputs {
  readonly #tables = new Map<number, { table: CatalogTable; columns: Map<string, CatalogColumn> }>();

  add(table: CatalogTable, column: CatalogColumn): void {
    const entry = this.#tables.get(table.relid) ?? { table, columns: new Map<string, CatalogColumn>() };
    entry.columns.set(column.name, column);
    this.#tables.set(table.relid, entry);
  }

  addNode(table: CatalogTable, node: Node): void {
    if (node.kind === 'column') this.add(table, node.column);
    if (node.kind === 'firstOf') for (const choice of node.nodes) this.addNode(table, choice);
    if (node.kind !== 'follow') return;
    for (const { own, key } of node.pairs) {
      this.add(table, own);
      this.add(node.parent, key);
    }
    this.addNode(node.parent, node.then);
  }

  get list(): DerivationInput[] {
    return [...this.#tables.values()].map(({ table, columns }) => {
      const names = [...columns.keys()].sort();
      const shapes = names.flatMap((name) => {
        const column = columns.get(name);
        return column === undefined ? [] : [{ name, attnum: column.attnum, type: column.type }];
      });
      return { relid: table.relid, ident: table.ident, columns: names, shapes };
    });
  }
}
