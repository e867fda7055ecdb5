import type { CompiledDerivation, CompiledEntity } from '@highwater/derivation';
import type { Plan } from '@highwater/plan';
import { withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';
import type { Finding } from './check.js';

interface EntityRow extends Record<string, unknown> {
  triggers: string[];
  rewritten: boolean;
  source_persistence: string;
  taken_names: string[];
}

/* Triggers may sit on a partition alone; of rewrite rules one is enough to refuse INSERT … ON CONFLICT. */
const entitySql = `
${withMembers('array[$1::oid]')}
select coalesce((select array_agg(distinct t.tgname::text) from pg_trigger t join member m on m.relid = t.tgrelid
          where not t.tgisinternal and t.tgenabled <> 'D' and (t.tgtype & 4) <> 0 and t.tgname not like '~hw\\_%'), '{}') as triggers,
       exists (select from pg_rewrite w where w.ev_class = $1::oid) as rewritten,
       (select c.relpersistence::text from pg_class c where c.oid = $2::oid) as source_persistence,
       coalesce((select array_agg(x.relname::text) from pg_class x join pg_class c on c.oid = $1::oid left join pg_index i on i.indexrelid = x.oid
          where x.relnamespace = c.relnamespace and x.relname = any($3::text[]) and i.indrelid is distinct from c.oid), '{}') as taken_names`;

/** What stands in the way of making entities, and of the bridge making them. */
export async function entityFindings(
  state: Access,
  plan: Plan,
  entities: readonly CompiledEntity[],
  derivations: readonly CompiledDerivation[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [i, entity] of entities.entries()) {
    const [row] = await state.query<EntityRow>(`preflight: reading entity ${entity.table.ident}`, entitySql, [
      entity.table.relid,
      entity.source.relid,
      Object.keys(plan.entities[i]?.indexes ?? {}),
    ]);
    if (row) findings.push(...judgeEntity(row, entity));
  }
  if (plan.cutover.mode === 'bridge') findings.push(...notBridged(plan, derivations));
  return findings;
}

/** Pure: what the facts of one entity's table mean. */
export function judgeEntity(row: EntityRow, entity: CompiledEntity): Finding[] {
  const table = entity.table.ident;
  const findings: Finding[] = [];
  const ours = entity.createdBy === 'highwater';
  if (ours && row.triggers.length > 0)
    findings.push({
      check: 'EntityTrigger',
      status: 'warn',
      table,
      message: `triggers of ${table} fire when an entity is made, with our privileges: ${row.triggers.join(', ')}`,
      needsAcceptance: true,
    });
  if (ours && row.rewritten)
    findings.push({
      check: 'RewriteRule',
      status: 'fail',
      table,
      message: `rewrite rules stand on ${table}: an entity cannot be inserted if absent`,
    });
  if (row.source_persistence !== 'p')
    findings.push({
      check: 'NotLogged',
      status: row.source_persistence === 't' ? 'fail' : 'warn',
      table: entity.source.ident,
      message:
        row.source_persistence === 't'
          ? `${entity.source.ident} is temporary`
          : `${entity.source.ident} is unlogged: its new rows give no hints, later passes and the bridge make their ${table}`,
    });
  if (row.taken_names.length > 0)
    findings.push({
      check: 'IndexName',
      status: 'fail',
      table,
      message: `index names of the plan for ${table} are taken: ${row.taken_names.join(', ')}`,
    });
  return findings;
}

/** Rows whose missing entity the bridge can neither make nor wait for, where NOT NULL will not let them pass. */
function notBridged(plan: Plan, derivations: readonly CompiledDerivation[]): Finding[] {
  return derivations.flatMap((d, i) =>
    plan.tables[i]?.notNull !== true
      ? []
      : (d.entities ?? [])
          .filter(({ source }) => source === undefined)
          .map(({ entity }): Finding => ({
            check: 'EntityNotBridged',
            status: 'warn',
            table: d.table.ident,
            message: `a row of ${d.table.ident} does not say from which row of ${entity.source.ident} its ${entity.table.ident} is made, so the bridge cannot make it; once ${d.target.ident} is NOT NULL, a statement that comes before us fails`,
            needsAcceptance: true,
          })),
  );
}
