import type { Leftover } from './leftovers.js';

/** In the order in which they can be removed: a trigger before its function, a slot before its publication. */
export const leftoverKinds = [
  'trigger',
  'function',
  'constraint',
  'index',
  'slot',
  'publication',
] as const satisfies readonly Leftover['kind'][];

/** The very statement that removes it; names are the catalog's own quoting. */
export function removalOf({ kind, name, on }: Leftover): string {
  switch (kind) {
    case 'trigger':
      return `drop trigger ${name} on ${on ?? ''}`;
    case 'function':
      return `drop function ${name}()`;
    case 'constraint':
      return `alter table ${on ?? ''} drop constraint ${name}`;
    case 'index':
      return `drop index concurrently ${name}`;
    case 'slot':
      return `select pg_drop_replication_slot('${name}')`;
    case 'publication':
      return `drop publication ${name}`;
  }
}
