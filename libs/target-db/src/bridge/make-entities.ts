import type { CompiledDerivation, ReferredEntity } from '@highwater/derivation';
import { makeEntity } from '../entities/statements.js';

/**
 * The statements by which the bridge makes the entities that a row's value leads to: each inserts if absent and records in one statement. Those whose
 * source the row cannot find are left to us. `row` is the row as an SQL query: `select new.*`.
 */
export function entityStatements(d: CompiledDerivation, migrationId: string, row: string): string[] {
  return (d.entities ?? []).flatMap((referred) => {
    const source = sourceOf(d, referred, row);
    return source === undefined ? [] : [makeEntity(referred.entity, referred.entityNo, migrationId, source)];
  });
}

function sourceOf(
  { unguarded }: CompiledDerivation,
  { entity, source }: ReferredEntity,
  row: string,
): { from: string; condition?: string } | undefined {
  if (source === undefined || unguarded === undefined) return undefined;
  if (source === 'row') return { from: `(${row}) as r` };
  const table = `${entity.source.kind === 'r' ? 'only ' : ''}${entity.source.ident}`;
  const value = `(select (${unguarded}) as value from (${row}) as r offset 0) as v`;
  return { from: `${value} cross join ${table} as r`, condition: source };
}
