import type { CompiledDerivation, CompiledEntity, DerivationInput } from './derivation.js';
import type { CatalogFunction } from './catalog.js';

/**
 * What must stay as it is while a migration runs, as stable text, one line a fact: tables, keys, targets and inputs by oid,
 * name, attribute number and type. Take it after the targets were added. NOT NULL is left out: setting it is the purpose.
 */
export function fingerprintInputs(
  derivations: readonly CompiledDerivation[],
  entities: readonly CompiledEntity[] = [],
): string {
  const lines = new Set<string>();
  const read = (inputs: readonly DerivationInput[], functions: readonly CatalogFunction[] = []): void => {
    for (const { oid, ident, returns, definition } of functions)
      lines.add(JSON.stringify(['function', oid, ident, returns.type, definition]));
    for (const input of inputs)
      for (const { name, attnum, type } of input.shapes)
        lines.add(JSON.stringify(['input', input.relid, input.ident, name, attnum, type]));
  };
  for (const { table, identity, values, inputs, functions } of entities) {
    lines.add(JSON.stringify(['table', table.relid, table.schema, table.name, table.kind]));
    for (const { name, type } of [...identity, ...values])
      lines.add(JSON.stringify(['entity', table.relid, name, table.columns.get(name)?.attnum ?? 0, type]));
    read(inputs, functions);
  }
  for (const { table, key, target, inputs, functions } of derivations) {
    const shape = (name: string, type: string): unknown => [name, table.columns.get(name)?.attnum ?? 0, type];
    lines.add(JSON.stringify(['table', table.relid, table.schema, table.name, table.kind]));
    lines.add(JSON.stringify(['key', table.relid, ...key.map(({ name, type }) => shape(name, type))]));
    lines.add(JSON.stringify(['target', table.relid, shape(target.name, target.type)]));
    read(inputs, functions);
  }
  return [...lines].sort().join('\n');
}
