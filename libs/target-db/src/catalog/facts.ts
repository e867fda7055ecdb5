import type { Access } from '../session/database.js';
import { leaves, withMembers } from './members.js';

export interface TriggerFact {
  readonly relid: number;
  readonly name: string;
  readonly functionName: string;
  readonly before: boolean;
  readonly row: boolean;
  readonly insert: boolean;
  readonly update: boolean;
  /** `O` origin, `A` always, `R` replica, `D` disabled. */
  readonly enabled: 'O' | 'A' | 'R' | 'D';
  readonly comment: string | null;
}

/** User triggers (not the internal ones of constraints) of the tables and all their partitions. */
export const readTriggers = (access: Access, relids: readonly number[]): Promise<TriggerFact[]> =>
  access.query<TriggerFact & Record<string, unknown>>(
    'reading triggers',
    `${withMembers('$1::oid[]')}
     select distinct t.tgrelid::int8::float8 as relid, t.tgname as name, t.tgfoid::regproc::text as "functionName",
            (t.tgtype & 2) <> 0 as before, (t.tgtype & 1) <> 0 as row, (t.tgtype & 4) <> 0 as insert, (t.tgtype & 16) <> 0 as update,
            t.tgenabled::text as enabled, obj_description(t.oid, 'pg_trigger') as comment
       from member m join pg_trigger t on t.tgrelid = m.relid
      where not t.tgisinternal
      order by 1, 2`,
    [relids],
  );

export interface Leaf {
  readonly relid: number;
  readonly ident: string;
}

/** The relations that hold the rows: the table itself, or the leaves of a partitioned one. */
export const readPartitions = (access: Access, relid: number): Promise<Leaf[]> =>
  access.query<Leaf & Record<string, unknown>>(
    'reading partitions',
    `${withMembers('array[$1::oid]')}
     select c.oid::int8::float8 as relid, format('%I.%I', n.nspname, c.relname) as ident
       from ${leaves} t
       join pg_class c on c.oid = t.relid join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r'
      order by c.oid`,
    [relid],
  );

export interface RelationSize {
  readonly relid: number;
  /** Planner's estimate over all partitions; 0 when the table was never analysed. */
  readonly rowsEstimated: number;
  /** Heap, TOAST and indexes, all partitions. */
  readonly bytes: bigint;
  readonly heapBytes: bigint;
}

export async function relationSizes(access: Access, relids: readonly number[]): Promise<RelationSize[]> {
  const rows = await access.query<{ relid: number; rows: number; bytes: string; heap: string }>(
    'reading table sizes',
    `${withMembers('$1::oid[]')}
     select m.root::int8::float8 as relid, coalesce(sum(greatest(c.reltuples, 0)), 0)::float8 as rows,
            coalesce(sum(pg_total_relation_size(c.oid)), 0)::text as bytes, coalesce(sum(pg_relation_size(c.oid)), 0)::text as heap
       from member m
       join pg_class c on c.oid = m.relid and c.relkind = 'r'
      group by 1`,
    [relids],
  );
  return rows.map((r) => ({
    relid: r.relid,
    rowsEstimated: r.rows,
    bytes: BigInt(r.bytes),
    heapBytes: BigInt(r.heap),
  }));
}
