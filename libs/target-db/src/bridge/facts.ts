import { withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { bridgeFunctionName, bridgeName } from '../ddl/names.js';
import type { BridgeDefinition } from './definition.js';

export interface BridgeFacts {
  readonly functionExists: boolean;
  /** On the planned table itself. */
  readonly triggerExists: boolean;
  /** Comments of function and trigger; null without comment or object. */
  readonly functionComment: string | null;
  readonly triggerComment: string | null;
  /** On the table and every partition: the trigger is there and fires for ordinary sessions, and for replicated rows where a subscription writes. */
  readonly enabledEverywhere: boolean;
  /** A subscription of this database writes into the table or a partition of it. */
  readonly subscribed: boolean;
}

export async function readBridgeFacts(access: Access, target: FillTarget): Promise<BridgeFacts> {
  const rows = await access.query<BridgeFacts & Record<string, unknown>>(
    'reading the bridge',
    `${withMembers('array[$1::oid]')}, of_member as (
       select m.relid, t.oid, t.tgenabled,
              exists (select from pg_subscription_rel s where s.srrelid = m.relid) as subscribed
         from member m left join pg_trigger t on t.tgrelid = m.relid and t.tgname = $2 and not t.tgisinternal
     )
     select f.oid is not null as "functionExists", obj_description(f.oid, 'pg_proc') as "functionComment",
            bool_or(m.relid = $1::oid and m.oid is not null) as "triggerExists",
            max(obj_description(m.oid, 'pg_trigger')) filter (where m.relid = $1::oid) as "triggerComment",
            bool_and(coalesce(case when m.subscribed then m.tgenabled = 'A' else m.tgenabled in ('O', 'A') end, false)) as "enabledEverywhere",
            bool_or(m.subscribed) as subscribed
       from of_member m
       left join (select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where n.nspname = 'highwater' and p.proname = $3) f on true
      group by f.oid`,
    [target.derivation.table.relid, bridgeName(target), bridgeFunctionName(target)],
  );
  const found = rows[0];
  if (!found) throw new Error('invariant broken: bridge facts are one row');
  return found;
}

/** Whether what is there is exactly what we would make. */
export const isOurBridge = (facts: BridgeFacts, definition: BridgeDefinition): boolean =>
  facts.functionComment === definition.comment && facts.triggerComment === definition.comment;
