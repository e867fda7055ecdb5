import { bridgeName, nullIndexName } from '../ddl/names.js';
import { leaves, withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import type { RowNaming } from '../fill/statements.js';

/** What a sweeper must know about a table before its first chunk. */
export interface SweepFacts {
  readonly naming: RowNaming;
  /** The partial index over NULL rows is there and valid, on every leaf of a partitioned table. */
  readonly nullIndex: boolean;
  /** A bridge of ours is installed, whatever its mode: it takes every NULL that is written for the application's. */
  readonly bridged: boolean;
}

export async function readSweepFacts(fill: Access, target: FillTarget): Promise<SweepFacts> {
  const [row] = await fill.query<{ ctid: boolean; indexed: boolean; bridged: boolean }>(
    'reading how a table can be swept',
    `${withMembers('array[$1::oid]')}
     select c.relkind = 'r' and has_column_privilege(c.oid, 'ctid', 'select') as ctid,
            not exists (select from ${leaves} as leaf
                         where not exists (select from pg_index as i join pg_class as x on x.oid = i.indexrelid
                                            where i.indrelid = leaf.relid and i.indisvalid
                                              and x.relname = replace($2, '_0_', '_' || leaf.relid || '_'))) as indexed,
            exists (select from pg_trigger as g where g.tgrelid = c.oid and g.tgname = $3) as bridged
       from pg_class as c where c.oid = $1::oid`,
    [target.derivation.table.relid, nullIndexName(target, 0), bridgeName(target)],
  );
  return {
    naming: row?.ctid === true ? 'ctid' : 'key',
    nullIndex: row?.indexed === true,
    bridged: row?.bridged === true,
  };
}
