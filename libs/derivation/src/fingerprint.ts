import type { CompiledDerivation } from './derivation.js';

/**
 * What must stay as it is while a migration runs, as stable text, one line a fact: tables, keys, targets and inputs by oid,
 * name, attribute number and type. Take it after the targets were added. NOT NULL is left out: setting it is the purpose.
 */
export function fingerprintInputs(derivations: readonly CompiledDerivation[]): string {
  const lines = new Set<string>();
  for (const { table, key, target, inputs, functions = [] } of derivations) {
    const shape = (name: string, type: string): unknown => [name, table.columns.get(name)?.attnum ?? 0, type];
    lines.add(JSON.stringify(['table', table.relid, table.schema, table.name, table.kind]));
    lines.add(JSON.stringify(['key', table.relid, ...key.map(({ name, type }) => shape(name, type))]));
    lines.add(JSON.stringify(['target', table.relid, shape(target.name, target.type)]));
    for (const { oid, ident, returns, definition } of functions)
      lines.add(JSON.stringify(['function', oid, ident, returns.type, definition]));
    for (const input of inputs) {
      for (const { name, attnum, type } of input.shapes) {
        lines.add(JSON.stringify(['input', input.relid, input.ident, name, attnum, type]));
      }
    }
  }
  return [...lines].sort().join('\n');
}
