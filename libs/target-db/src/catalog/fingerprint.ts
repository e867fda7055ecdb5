import { createHash } from 'node:crypto';
import { type CompiledDerivation, type CompiledEntity, hasKey } from '@highwater/derivation';
import type { Access } from '../session/database.js';
import { functionDefinition } from './read-functions.js';

/** What a migration was compiled against: a table by oid with the columns that matter. */
export interface Footprint {
  readonly relid: number;
  readonly columns: readonly string[];
  /** `relid` is a function's oid: what it does matters, and it has no columns. */
  readonly isFunction?: true;
}

export interface Fingerprint {
  /** sha256 over the canonical lines, hex. */
  readonly hash: string;
  /** One line per table and column, so that a difference can be named: `public."Group" orgId text`. */
  readonly lines: readonly string[];
}

/** Key, target and inputs of every target, and what is written and read for entities, merged by table. */
export function footprintOf(
  derivations: readonly CompiledDerivation[],
  entities: readonly CompiledEntity[] = [],
): Footprint[] {
  const columns = new Map<number, Set<string>>();
  const add = (relid: number, names: readonly string[]): void => {
    const set = columns.get(relid) ?? new Set<string>();
    names.forEach((n) => set.add(n));
    columns.set(relid, set);
  };
  for (const d of derivations) {
    add(d.table.relid, [...(hasKey(d) ? d.key.map((k) => k.name) : []), d.target.name]);
    d.inputs.forEach((i) => add(i.relid, i.columns));
  }
  for (const { table, identity, values, inputs } of entities) {
    add(
      table.relid,
      [...identity, ...values].map(({ name }) => name),
    );
    inputs.forEach((i) => add(i.relid, i.columns));
  }
  const functions = new Set([...derivations, ...entities].flatMap((d) => (d.functions ?? []).map(({ oid }) => oid)));
  return [
    ...[...columns].sort(([a], [b]) => a - b).map(([relid, set]) => ({ relid, columns: [...set].sort() })),
    ...[...functions].sort((a, b) => a - b).map((oid) => ({ relid: oid, columns: [], isFunction: true as const })),
  ];
}

/**
 * What the database has now: name and oid of each table, name, position and type of each column. NOT NULL of the target is left
 * out, it is what we change. A table or column that is gone is a line that says so.
 */
export async function readFingerprint(access: Access, footprint: readonly Footprint[]): Promise<Fingerprint> {
  const flat = footprint.flatMap((f) => f.columns.map((column) => [f.relid, column] as const));
  const rows = await access.query<{ line: string }>(
    'reading the schema fingerprint',
    `select coalesce(format('%I.%I', n.nspname, c.relname), '(gone)') || ' oid ' || w.relid || ' ' || format('%I', w.name) || ' '
              || coalesce(a.attnum || ' ' || format_type(a.atttypid, a.atttypmod) || case a.attgenerated when '' then '' else ' generated' end, '(gone)') as line
       from unnest($1::oid[], $2::text[]) with ordinality as w (relid, name, o)
       left join pg_class c on c.oid = w.relid left join pg_namespace n on n.oid = c.relnamespace
       left join pg_attribute a on a.attrelid = c.oid and a.attname = w.name and a.attnum > 0 and not a.attisdropped
      order by w.o`,
    [flat.map(([relid]) => relid), flat.map(([, column]) => column)],
  );
  const functions = await readFunctionLines(
    access,
    footprint.filter((f) => f.isFunction).map((f) => f.relid),
  );
  const lines = [...rows.map((r) => r.line), ...functions];
  return { hash: createHash('sha256').update(lines.join('\n')).digest('hex'), lines };
}

async function readFunctionLines(access: Access, oids: readonly number[]): Promise<string[]> {
  if (oids.length === 0) return [];
  const rows = await access.query<{ line: string }>(
    'reading the fingerprint of functions',
    `select 'function ' || coalesce(p.oid::regprocedure::text, '(gone)') || ' oid ' || w.oid || coalesce(' ' || p.prorettype::regtype || ' ' || ${functionDefinition}, '') as line
       from unnest($1::oid[]) with ordinality as w (oid, o) left join pg_proc p on p.oid = w.oid
      order by w.o`,
    [oids],
  );
  return rows.map((r) => r.line);
}

/** The lines that differ, each with what was expected and found; empty: unchanged. */
export function fingerprintDifference(expected: Fingerprint, found: Fingerprint): string[] {
  if (expected.hash === found.hash) return [];
  const before = new Set(expected.lines);
  const after = new Set(found.lines);
  return [
    ...expected.lines.filter((l) => !after.has(l)).map((l) => `expected ${l}`),
    ...found.lines.filter((l) => !before.has(l)).map((l) => `found ${l}`),
  ];
}
