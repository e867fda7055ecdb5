import { HighwaterError } from '@highwater/kernel';
import { openDatabase, readCreatedDefinitions, readHistoryTables, readOnly, type Access } from '@highwater/target-db';
import { unknownMigration, whichMigration } from '../control/codes.js';
import { readPlan, sha256 } from '../control/resolve.js';
import { schemaOf } from '@highwater/plan';
import type { Settings } from '../settings.js';
import { exportedAs, type ExportedMigration, type ExportFormat } from './formats.js';
import { schemaChange } from './schema-change.js';

export interface ExportedSchema extends ExportedMigration {
  readonly migration: string;
  /** Each target as it is now: what the team's own schema file must say. */
  readonly targets: readonly { readonly table: string; readonly column: string; readonly notNull: boolean }[];
}

/**
 * The migration that a fresh database needs, from what this one's migration made and what still stands of it: after `unenforce` the column is
 * optional again. Reads only, as the ddl access. Errors: HW6010 (no such migration), HW6015 (which one).
 */
export async function exportSchema(
  settings: Settings,
  named: string | undefined,
  format: ExportFormat,
): Promise<ExportedSchema> {
  const database = openDatabase(settings.database);
  try {
    const { ddl } = database;
    const { id, planSource } = await findRegistered(ddl, named);
    const { made, lastMadeAt } = await readCreatedDefinitions(ddl, id);
    const histories = await readHistoryTables(ddl);
    const history = histories.find(({ tool }) => tool === format);
    const exported = exportedAs(format, {
      migration: id,
      change: schemaChange(made),
      at: lastMadeAt ?? new Date(0),
      sha256,
      history,
    });
    return {
      migration: id,
      ...(made.length === 0 ? { files: [], markApplied: [] } : exported),
      targets: await targetsNow(ddl, planSource),
    };
  } finally {
    await database.close();
  }
}

async function targetsNow(ddl: Access, planSource: string): Promise<ExportedSchema['targets']> {
  const { tables } = readPlan(planSource).parsed.plan;
  return readOnly(ddl, 'reading the targets', async (client) => {
    const { rows } = await client.query<{ table: string; column: string; notNull: boolean }>(
      `select w.name as table, w.column, coalesce(a.attnotnull, false) as "notNull"
         from unnest($1::text[], $2::text[], $3::text[]) with ordinality as w (schema, name, "column", n)
         left join pg_namespace s on s.nspname = w.schema left join pg_class c on c.relnamespace = s.oid and c.relname = w.name
         left join pg_attribute a on a.attrelid = c.oid and a.attname = w.column and not a.attisdropped order by n`,
      [
        tables.map(({ table }) => schemaOf(table)),
        tables.map(({ table }) => table.name),
        tables.map(({ target }) => target.column),
      ],
    );
    return rows;
  });
}

async function findRegistered(ddl: Access, named: string | undefined): Promise<{ id: string; planSource: string }> {
  const all = await readOnly(ddl, 'reading the migrations', async (client) => {
    const { rows } = await client.query<{ there: boolean }>(
      `select to_regclass('highwater.created_object') is not null as there`,
    );
    if (rows[0]?.there !== true) return [];
    const found = await client.query<{ id: string; planSource: string }>(
      `select id, plan_source as "planSource" from highwater.migration order by id`,
    );
    return found.rows;
  });
  const found = named === undefined ? all : all.filter(({ id }) => id === named);
  const [only] = found;
  if (only && found.length === 1) return only;
  if (found.length > 1)
    throw new HighwaterError(
      whichMigration,
      'never',
      `${found.length} migrations are known: ${found.map(({ id }) => id).join(', ')}`,
      {},
      'name one of them',
    );
  throw new HighwaterError(
    unknownMigration,
    'never',
    named === undefined ? 'no migration is known here' : `migration "${named}" is not known here`,
    named === undefined ? {} : { migration: named },
    'export reads schema highwater of the database that was migrated; after `finish --purge` it is gone',
  );
}
