import { HighwaterError } from '@highwater/kernel';
import type { Ident } from '@highwater/derivation';
import type { MigrationId } from '@highwater/kernel';
import { attemptDdl, type DdlBudget, type DdlOutcome } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { rolesOf } from '../install/roles.js';
import { recordCreated } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';

export interface NewColumn {
  readonly migrationId: MigrationId;
  readonly targetNo: number;
  readonly table: { readonly relid: number; readonly ident: Ident };
  /** Exact name and the plan's type, both only ever parameters. */
  readonly column: string;
  readonly type: string;
}

/**
 * Adds the nullable column, without default, and grants it to fill and bridge in the same message. Undefined when the column is there
 * already with that type. The type is read by the server (`to_regtype`) and written back by it, so a plan cannot smuggle in SQL.
 */
export async function addColumn(
  database: Database,
  wanted: NewColumn,
  budget: DdlBudget,
): Promise<DdlOutcome | undefined> {
  const roles = await rolesOf(database);
  const [modifier] = /\(\s*\d+\s*(?:,\s*\d+\s*)?\)/.exec(wanted.type) ?? [''];
  const base = wanted.type.replace(modifier, '').trim();
  const [found] = await database.ddl.query<{
    column: string;
    type: string | null;
    existing: string | null;
    fill: string;
    bridge: string;
    owned: boolean;
  }>(
    'reading the column to add',
    `select format('%I', $2::text) as column, format_type(to_regtype($3), null) as type, format('%I', $4::text) as fill, format('%I', $5::text) as bridge,
            (select format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = $1::oid and a.attname = $2 and not a.attisdropped) as existing`,
    [wanted.table.relid, wanted.column, base, roles.fill, roles.bridge],
  );
  if (!found?.type)
    throw new HighwaterError(
      ddlCodes.typeUnknown,
      'never',
      `type "${wanted.type}" of ${wanted.table.ident}.${wanted.column} is unknown to the server`,
      {
        table: wanted.table.ident,
        type: wanted.type,
      },
    );
  const type = withModifier(found.type, modifier);
  if (found.existing !== null) {
    if (found.existing === type || found.existing.replace(/\(.*?\)/, '') === found.type) return undefined;
    throw new HighwaterError(
      ddlCodes.typeUnknown,
      'never',
      `column ${wanted.table.ident}.${found.column} exists as ${found.existing}; the plan says ${type}`,
      { table: wanted.table.ident, column: wanted.column, found: found.existing, expected: type },
      'correct target.type in the plan, or change the column',
    );
  }
  return attemptDdl(
    database,
    {
      migrationId: wanted.migrationId,
      targetNo: wanted.targetNo,
      name: 'expand',
      table: wanted.table.ident,
      relids: [wanted.table.relid],
      lock: [wanted.table.ident],
      lockMode: 'ACCESS EXCLUSIVE',
      statements: [
        `alter table ${wanted.table.ident} add column ${found.column} ${type}`,
        `grant select (${found.column}), update (${found.column}) on table ${wanted.table.ident} to ${found.fill}`,
        `grant select (${found.column}) on table ${wanted.table.ident} to ${found.bridge}`,
        recordCreated({ ...wanted, kind: 'column', relid: wanted.table.relid, name: wanted.column }),
      ],
    },
    budget,
  );
}

/** `timestamp without time zone` + `(3)` → `timestamp(3) without time zone`. */
const withModifier = (type: string, modifier: string): string =>
  modifier === '' ? type : type.replace(/^(timestamp|time|[^ ]+(?: varying)?)/, `$1${modifier.replaceAll(/\s/g, '')}`);
