import { HighwaterError, must } from '@highwater/kernel';
import type { Catalog, CatalogTable, Ident } from '@highwater/derivation';
import type { OnDelete } from '@highwater/plan';
import { readPartitions } from '../catalog/facts.js';
import { attemptDdl, type DdlBudget } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { runLong } from '../ddl/long.js';
import { fitName, literal } from '../ddl/names.js';
import { forgetCreated, readCreated, recordCreated } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';
import type { FillTarget } from '../target.js';

/*
 * The foreign key of a target:
 *
 *   none ──add NOT VALID──▶ not validated ──VALIDATE, writers go on──▶ valid
 *   another ON DELETE, and the plan says its own: the new one beside it as above, then one message that drops the old one and gives the
 *   new one its name. At every moment one valid key stands.
 */

export interface WantedForeignKey {
  readonly onDelete: OnDelete;
  /** False: an existing key to the same parent is adopted whatever its action. */
  readonly onDeleteSaid: boolean;
}

export interface ForeignKeyFacts {
  /** Exact. */
  readonly name: string;
  /** Quoted. */
  readonly ident: string;
  readonly validated: boolean;
  readonly onDelete: string;
  /** `on update cascade deferrable …`: what a replacement keeps. */
  readonly rest: string;
}

const onDeleteSql: Readonly<Record<OnDelete, string>> = {
  restrict: 'on delete restrict',
  cascade: 'on delete cascade',
  setNull: 'on delete set null',
  noAction: 'on delete no action',
};

/** The keys that stand in the way of the plan's: same column, same parent, another action. */
export async function foreignKeysToReplace(
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  wanted: WantedForeignKey,
): Promise<ForeignKeyFacts[]> {
  if (!wanted.onDeleteSaid) return [];
  const keys = await readForeignKeys(database, target, target.derivation.table.relid, parent.relid);
  return keys.filter((key) => key.onDelete !== onDeleteSql[wanted.onDelete]);
}

/** Makes the key, finds it, or puts it in the place of one with another action. */
export async function ensureForeignKey(
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  wanted: WantedForeignKey,
  budget: DdlBudget,
): Promise<'built' | 'adopted' | 'replaced'> {
  const { table } = target.derivation;
  const standing = await readForeignKeys(database, target, table.relid, parent.relid);
  const others = await foreignKeysToReplace(database, target, parent, wanted);
  const fitting = standing.find((key) => !others.some((other) => other.name === key.name));
  if (fitting?.validated && others.length === 0) return 'adopted';
  const onDelete = fitting?.onDelete ?? onDeleteSql[wanted.onDelete];
  const rest = fitting?.rest ?? others[0]?.rest ?? '';
  await putForeignKey(database, target, parent, { onDelete, rest }, budget);
  if (others.length === 0) return 'built';
  await takeTheirPlace(database, target, parent, { onDelete, rest }, others, budget);
  return 'replaced';
}

export interface ForeignKeyShape {
  readonly onDelete: string;
  readonly rest: string;
}

/** Adds and validates a key of that shape, unless it stands. Before 18 a partitioned table refuses NOT VALID: each leaf gets its own first, and the parent's takes them over. */
export async function putForeignKey(
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  shape: ForeignKeyShape,
  budget: DdlBudget,
): Promise<void> {
  const { table } = target.derivation;
  const [version] = await database.ddl.query<{ n: number }>(
    'asking the version',
    `select current_setting('server_version_num')::int as n`,
  );
  const perLeaf = table.kind === 'p' && (version?.n ?? 0) < 180000;
  if (perLeaf)
    for (const leaf of await readPartitions(database.ddl, table.relid))
      await onRelation(database, target, leaf, parent, `${clauses(shape)} not valid`, shape, budget);
  const clause = perLeaf ? clauses(shape) : `${clauses(shape)} not valid`;
  await onRelation(database, target, table, parent, clause, shape, budget);
}

const clauses = ({ onDelete, rest }: ForeignKeyShape): string => `${onDelete} ${rest}`.trim();

async function onRelation(
  database: Database,
  target: FillTarget,
  relation: { readonly relid: number; readonly ident: string },
  parent: CatalogTable,
  clause: string,
  shape: ForeignKeyShape,
  budget: DdlBudget,
): Promise<void> {
  const { table, target: column } = target.derivation;
  const key = parent.primaryKey.map((name) => parent.columns.get(name)?.ident);
  if (key.length !== 1)
    throw new HighwaterError(
      ddlCodes.refused,
      'never',
      `foreign key of ${relation.ident}: ${parent.ident} has no primary key of one column`,
      { table: relation.ident, parent: parent.ident },
    );
  const find = async (): Promise<ForeignKeyFacts | undefined> =>
    (await readForeignKeys(database, target, relation.relid, parent.relid)).find(
      (one) => one.onDelete === shape.onDelete && one.rest === shape.rest,
    );
  if (!(await find())) {
    const { name, ident } = await freeName(database, relation.relid, column.name);
    await attemptDdl(
      database,
      {
        migrationId: target.migrationId,
        targetNo: target.targetNo,
        name: 'foreign-key',
        table: table.ident,
        relids: [relation.relid, parent.relid],
        lock: [table.ident].filter(() => relation.relid === table.relid),
        lockMode: 'SHARE ROW EXCLUSIVE',
        statements: [
          `alter table ${relation.ident} add constraint ${ident} foreign key (${column.ident}) references ${parent.ident} (${key[0]}) ${clause}`,
          recordCreated({ ...target, kind: 'constraint', relid: relation.relid, name }),
        ],
      },
      budget,
    );
  }
  const made = await find();
  if (made && !made.validated)
    await runLong(
      database,
      `validating foreign key ${made.ident} of ${relation.ident}`,
      `alter table ${relation.ident} validate constraint ${made.ident}`,
      budget.signal,
    );
}

/** One message: the old keys go, and ours takes the name of the first, which the team knows. */
async function takeTheirPlace(
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  shape: ForeignKeyShape,
  others: readonly ForeignKeyFacts[],
  budget: DdlBudget,
): Promise<void> {
  const { relid, ident } = target.derivation.table;
  const fitting = await validatedKey(database, target, parent, shape);
  const first = must(others[0], 'a key to take the place of');
  const created = { ...target, kind: 'constraint', relid } as const;
  const ours = (await readCreated(database.ddl, target.migrationId)).some(
    (one) => one.kind === 'constraint' && one.relid === relid && one.name === fitting.name,
  );
  await swap(database, target, parent, budget, [
    ...others.map((other) => `alter table ${ident} drop constraint ${other.ident}`),
    ...others.map((other) => recordReplaced(target, parent, other)),
    ...(ours
      ? [
          `alter table ${ident} rename constraint ${fitting.ident} to ${first.ident}`,
          forgetCreated({ ...created, name: fitting.name }),
          recordCreated({ ...created, name: first.name }),
        ]
      : []),
  ]);
}

/**
 * Puts the team's keys back into the place of those that took theirs, the old one validated before ours goes. For a rollback: before it drops
 * what the migration made. Repeated after a crash it goes on from what it finds.
 *
 * @returns names of the keys put back.
 */
export async function restoreForeignKeys(
  database: Database,
  { targets, catalog }: { readonly targets: readonly FillTarget[]; readonly catalog: Catalog },
  budget: DdlBudget,
): Promise<string[]> {
  const restored: string[] = [];
  for (const target of targets) {
    const { table } = target.derivation;
    const rows = await database.ddl.query<{ name: string; parent: number; on_delete: string; rest: string }>(
      'reading the foreign keys that were replaced',
      `select name, parent::int8::float8 as parent, on_delete, rest from highwater.replaced_key
        where migration_id = $1 and target_no = $2 and relid = $3::oid order by name`,
      [target.migrationId, target.targetNo, table.relid],
    );
    for (const row of rows) {
      const parent = catalog.tables.find((one) => one.relid === row.parent);
      if (!parent) continue;
      const shape = { onDelete: row.on_delete, rest: row.rest };
      await putForeignKey(database, target, parent, shape, budget);
      const fitting = await validatedKey(database, target, parent, shape);
      const ours = (await readForeignKeys(database, target, table.relid, parent.relid)).find(
        (one) => one.name === row.name && one.name !== fitting.name,
      );
      const [quoted] = await database.ddl.query<{ ident: string }>(
        'quoting the foreign key',
        `select format('%I', $1::text) as ident`,
        [row.name],
      );
      const created = { ...target, kind: 'constraint', relid: table.relid } as const;
      await swap(database, target, parent, budget, [
        ...(ours ? [`alter table ${table.ident} drop constraint ${ours.ident}`] : []),
        ...(fitting.name === row.name
          ? []
          : [`alter table ${table.ident} rename constraint ${fitting.ident} to ${quoted?.ident ?? ''}`]),
        forgetCreated({ ...created, name: row.name }),
        forgetCreated({ ...created, name: fitting.name }),
        `delete from highwater.replaced_key where migration_id = ${literal(target.migrationId)} and relid = ${table.relid} and name = ${literal(row.name)}`,
      ]);
      restored.push(row.name);
    }
  }
  return restored;
}

async function validatedKey(
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  shape: ForeignKeyShape,
): Promise<ForeignKeyFacts> {
  const keys = await readForeignKeys(database, target, target.derivation.table.relid, parent.relid);
  return must(
    keys.find((one) => one.onDelete === shape.onDelete && one.rest === shape.rest && one.validated),
    'the new foreign key is validated before the old one goes',
  );
}

const recordReplaced = (target: FillTarget, parent: CatalogTable, key: ForeignKeyFacts): string =>
  `insert into highwater.replaced_key (migration_id, target_no, relid, name, parent, on_delete, rest)
     values (${[literal(target.migrationId), target.targetNo, target.derivation.table.relid, literal(key.name), parent.relid, literal(key.onDelete), literal(key.rest)].join(', ')})
     on conflict do nothing`;

const swap = (
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  budget: DdlBudget,
  statements: readonly string[],
): Promise<unknown> =>
  attemptDdl(
    database,
    {
      migrationId: target.migrationId,
      targetNo: target.targetNo,
      name: 'replace-foreign-key',
      table: target.derivation.table.ident,
      relids: [target.derivation.table.relid, parent.relid],
      lock: [target.derivation.table.ident, parent.ident],
      lockMode: 'ACCESS EXCLUSIVE', // what dropping a key takes, on both
      statements,
    },
    budget,
  );

/** `<table>_<column>_fkey`, numbered when that is taken. */
async function freeName(database: Database, relid: number, column: string): Promise<{ name: string; ident: Ident }> {
  const [table] = await database.ddl.query<{ name: string; taken: string[] }>(
    'naming the foreign key',
    `select c.relname::text as name, coalesce((select array_agg(k.conname::text) from pg_constraint k where k.conrelid = c.oid), '{}') as taken
       from pg_class c where c.oid = $1::oid`,
    [relid],
  );
  const { name: base, taken } = must(table, 'a table that has a target exists');
  for (let number = 0; ; number += 1) {
    const name = fitName(`${base}_${column}`, `_fkey${number === 0 ? '' : number}`);
    if (taken.includes(name)) continue;
    const [quoted] = await database.ddl.query<{ ident: string }>(
      'quoting the foreign key',
      `select format('%I', $1::text) as ident`,
      [name],
    );
    return { name, ident: (quoted?.ident ?? '') as Ident };
  }
}

/** Keys of the target's column alone to that parent, valid ones first. */
export async function readForeignKeys(
  database: Database,
  target: FillTarget,
  relid: number,
  parent: number,
): Promise<ForeignKeyFacts[]> {
  return database.ddl.query<ForeignKeyFacts & Record<string, unknown>>(
    'looking for the foreign key',
    `select f.conname::text as name, format('%I', f.conname) as ident, f.convalidated as validated,
            'on delete ' || case f.confdeltype when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'no action' end as "onDelete",
            concat_ws(' ', case f.confupdtype when 'r' then 'on update restrict' when 'c' then 'on update cascade' when 'n' then 'on update set null' when 'd' then 'on update set default' end,
              case when f.condeferrable then 'deferrable' end, case when f.condeferred then 'initially deferred' end) as rest
       from pg_constraint f join pg_attribute a on a.attrelid = f.conrelid and f.conkey = array[a.attnum]
      where f.contype = 'f' and f.conrelid = $1::oid and f.confrelid = $2::oid and a.attname = $3
      order by f.convalidated desc, f.conname`,
    [relid, parent, target.derivation.target.name],
  );
}
