/**
 * `with recursive member (root, relid) as (…)`: each of `tables` (an SQL array of oids) with itself and the partitions below it. Not
 * pg_partition_tree(): that locks the table, and so waits behind whoever holds it, our own queued step included.
 */
export const withMembers = (tables: string): string => `with recursive member (root, relid) as (
       select w.relid, w.relid from unnest(${tables}) as w (relid)
       union select m.root, i.inhrelid from member as m
         join pg_class as p on p.oid = m.relid and p.relkind = 'p' join pg_inherits as i on i.inhparent = m.relid
     )`;

/** The relations of `member` that hold rows or would: everything but the partitioned tables themselves. */
export const leaves = `(select m.relid from member as m join pg_class as c on c.oid = m.relid and c.relkind <> 'p')`;
