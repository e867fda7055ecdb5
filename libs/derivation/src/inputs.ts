import type { CatalogColumn, CatalogFunction, CatalogTable } from './catalog.js';
import type { CompiledEntity, DerivationInput, ReferredEntity, TableSearch } from './derivation.js';
import type { KeyPair, LookupNode, Node } from './node.js';

/** Gathers the tables and columns that compiled SQL reads: what to grant, fingerprint and watch. */
export class Inputs {
  readonly #tables = new Map<number, { table: CatalogTable; columns: Map<string, CatalogColumn> }>();

  readonly #searches = new Map<string, TableSearch>();
  readonly #functions = new Map<number, CatalogFunction>();

  add(table: CatalogTable, column: CatalogColumn): void {
    const entry = this.#tables.get(table.relid) ?? { table, columns: new Map<string, CatalogColumn>() };
    entry.columns.set(column.name, column);
    this.#tables.set(table.relid, entry);
  }

  /** What a rule over a row of `table` reads. */
  addNode(table: CatalogTable, node: Node): void {
    switch (node.kind) {
      case 'constant':
        return;
      case 'column':
        return this.add(table, node.column);
      case 'template':
        for (const part of node.parts) if ('column' in part) this.add(table, part.column);
        return;
      case 'firstOf':
        for (const choice of node.nodes) this.addNode(table, choice);
        return;
      case 'map':
        return this.addNode(table, node.of);
      case 'function':
        this.#functions.set(node.called.oid, node.called);
        for (const { node: argument } of node.arguments) this.addNode(table, argument);
        for (const read of node.reads) for (const column of read.columns) this.add(read.table, column);
        return;
      case 'follow':
        this.#addPairs(table, node.parent, node.pairs);
        return this.addNode(node.parent, node.then);
      case 'lookup':
        this.#addPairs(table, node.table, node.pairs);
        this.#addSearch(node);
        for (const { key } of node.constants) this.add(node.table, key);
        for (const column of [...(node.order?.by ?? []), ...(node.order?.ties ?? [])]) this.add(node.table, column);
        return this.addNode(node.table, node.then);
    }
  }

  #addPairs(table: CatalogTable, other: CatalogTable, pairs: readonly KeyPair[]): void {
    for (const { own, key } of pairs) {
      this.add(table, own);
      this.add(other, key);
    }
  }

  #addSearch({ table, pairs, constants }: LookupNode): void {
    const columns = [...pairs, ...constants].map(({ key }) => key.name);
    this.#searches.set(JSON.stringify([table.relid, columns]), { relid: table.relid, ident: table.ident, columns });
  }

  /** The bridge looks the source up by the column that is the identity. */
  addReferred({ source, identity }: CompiledEntity, found: ReferredEntity['source']): void {
    const by = identity[0]?.plain;
    if (found === undefined || found === 'row' || by === undefined) return;
    this.#searches.set(JSON.stringify([source.relid, [by]]), {
      relid: source.relid,
      ident: source.ident,
      columns: [by],
    });
  }

  get searches(): TableSearch[] {
    return [...this.#searches.values()];
  }

  get functions(): CatalogFunction[] {
    return [...this.#functions.values()];
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
