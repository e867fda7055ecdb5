import { leaves, withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { checkName, guardComment, nullIndexName } from '../ddl/names.js';
import { readBridgeFacts } from '../bridge/facts.js';

/** What pg_attribute, pg_constraint, pg_index and pg_trigger say about one target: the truth after a lost connection. */
export interface TargetFacts {
  readonly columnExists: boolean;
  /** `attnotnull`; on PostgreSQL 18 also `convalidated` of its constraint. */
  readonly notNull: boolean;
  readonly checkExists: boolean;
  readonly checkValidated: boolean;
  /** The check's COMMENT carries our migration and definition. False without a check. */
  readonly checkIsOurs: boolean;
  /** Installed and enabled on every partition. */
  readonly bridgeInstalled: boolean;
  /** The partial index over what is still NULL is valid on every relation that holds rows; true of a partitioned table without any. */
  readonly nullIndexValid: boolean;
}

export async function catalogFacts(access: Access, target: FillTarget): Promise<TargetFacts> {
  const { relid } = target.derivation.table;
  const [found] = await access.query<
    Omit<TargetFacts, 'checkIsOurs' | 'bridgeInstalled'> & { comment: string | null } & Record<string, unknown>
  >(
    'reading the facts of a target',
    `${withMembers('array[$1::oid]')}
     select a.attnum is not null as "columnExists",
            /* contype n exists from 18 on; before it, attnotnull alone says it all */
            coalesce(a.attnotnull and not exists (select from pg_constraint n where n.conrelid = $1::oid and n.contype = 'n'
              and n.conkey = array[a.attnum] and not n.convalidated), false) as "notNull",
            c.oid is not null as "checkExists", coalesce(c.convalidated, false) as "checkValidated", obj_description(c.oid, 'pg_constraint') as comment,
            (select coalesce(bool_and(exists (select from pg_class x join pg_index i on i.indexrelid = x.oid
                where i.indrelid = leaf.relid and i.indisvalid and x.relname = $4::text || leaf.relid || $5::text)), true)
               from ${leaves} as leaf) as "nullIndexValid"
       from (select 1) one
       left join pg_attribute a on a.attrelid = $1::oid and a.attname = $2 and a.attnum > 0 and not a.attisdropped
       left join pg_constraint c on c.conrelid = $1::oid and c.conname = $3`,
    [relid, target.derivation.target.name, checkName(target), ...nameAround(target)],
  );
  if (!found) throw new Error('invariant broken: facts of a target are one row');
  const bridge = await readBridgeFacts(access, target);
  const { comment, ...facts } = found;
  return {
    ...facts,
    checkIsOurs: found.checkExists && comment === guardComment(target),
    bridgeInstalled: bridge.triggerExists && bridge.enabledEverywhere,
  };
}

/** The null index's name before and after the relation's oid. */
function nameAround(target: FillTarget): [string, string] {
  const [before, after] = nullIndexName(target, 0).split('_0_') as [string, string];
  return [`${before}_`, `_${after}`];
}
