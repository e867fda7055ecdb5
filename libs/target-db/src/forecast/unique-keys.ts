import type { CompiledDerivation } from '@highwater/derivation';
import type { PlannedTable } from '@highwater/plan';
import type { Access } from '../session/database.js';

/** A unique index over the target, as its key is computed of a row; texts are the server's own, over bare column names. */
export interface UniqueKey {
  readonly name: string;
  /** Already there, or a finisher of the plan. */
  readonly planned: boolean;
  readonly parts: readonly string[];
  readonly condition: string | null;
  /** Two NULLs are one and the same key. */
  readonly nullsAreOne: boolean;
  /** Columns of the table that the texts read, the target among them. */
  readonly columns: readonly string[];
}

interface UniqueRow extends Record<string, unknown> {
  name: string;
  parts: string[];
  condition: string | null;
  nulls: boolean;
  columns: string[];
}

/* a partition's own index is left out: it is over other rows than the table's */
const statement = `
select x.relname::text as name, pg_get_expr(i.indpred, i.indrelid) as condition,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) as nulls,
       (select array_agg(pg_get_indexdef(i.indexrelid, n, false) order by n) from generate_series(1, i.indnkeyatts) n) as parts,
       (select array_agg(distinct a.attname::text) from pg_attribute a where a.attrelid = i.indrelid and a.attnum > 0
          and (a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]) or exists (select from pg_depend d where d.classid = 'pg_class'::regclass
            and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))) as columns
  from pg_index i join pg_class x on x.oid = i.indexrelid
 where i.indrelid = $1::oid and i.indisunique and not i.indisexclusion
 order by 1`;

/** The unique indexes that a value of the target may complete a key of: those there, and those `unique` of the plan's entry names. */
export async function uniqueKeysOver(
  access: Access,
  derivation: CompiledDerivation,
  planned: PlannedTable['unique'],
): Promise<UniqueKey[]> {
  const { table, target } = derivation;
  const rows = await access.query<UniqueRow>(`reading the unique indexes of ${table.ident}`, statement, [table.relid]);
  const there = rows
    .filter((row) => row.columns.includes(target.name))
    .map(({ name, parts, condition, nulls, columns }) => ({
      name,
      planned: false,
      parts,
      condition,
      nullsAreOne: nulls,
      columns,
    }));
  return [...there, ...plannedKeys(derivation, planned).filter(({ name }) => !rows.some((row) => row.name === name))];
}

const plannedKeys = ({ table, target }: CompiledDerivation, planned: PlannedTable['unique']): UniqueKey[] =>
  Object.entries(planned)
    .filter(([, columns]) => columns.includes(target.name))
    .map(([name, columns]) => ({
      name,
      planned: true,
      parts: columns.flatMap((one) => (one === target.name ? target.ident : (table.columns.get(one)?.ident ?? []))),
      condition: null,
      nullsAreOne: false,
      columns,
    }));
