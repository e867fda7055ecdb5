import type { Catalog, CatalogColumn, CatalogTable, Ident } from './catalog.js';

/** A catalog by hand for specs: `{ id: 'text!', orgId: 'text' }`; `!` is NOT NULL, `*` generated. */
export function table(
  relid: number,
  name: string,
  columns: Readonly<Record<string, string>>,
  more: Partial<Pick<CatalogTable, 'primaryKey' | 'uniqueKeys' | 'foreignKeys' | 'kind' | 'schema'>> = {},
): CatalogTable {
  const primaryKey = more.primaryKey ?? ['id'];
  const schema = more.schema ?? 'public';
  return {
    relid,
    schema,
    name,
    ident: `${schema}.${quoted(name)}` as Ident,
    kind: 'r',
    columns: new Map(Object.entries(columns).map(([column, type], i) => [column, catalogColumn(column, type, i + 1)])),
    uniqueKeys: primaryKey.length > 0 ? [primaryKey] : [],
    foreignKeys: [],
    ...more,
    primaryKey,
  };
}

const oids: Readonly<Record<string, number>> = {
  text: 25, integer: 23, bigint: 20, uuid: 2950, json: 114, 'text[]': 1009, 'timestamp with time zone': 1184,
}; // prettier-ignore
const quoted = (name: string): string => (/^[a-z_]+$/.test(name) ? name : `"${name}"`);

function catalogColumn(name: string, written: string, attnum: number): CatalogColumn {
  const type = written.replace(/[!*]/g, '');
  const typeOid = oids[type] ?? (type.startsWith('character') ? 1043 : 20_000);
  return {
    attnum,
    name,
    ident: quoted(name) as Ident,
    type,
    typeOid,
    notNull: written.includes('!'),
    generated: written.includes('*'),
  };
}

export const foreignKey = (
  columns: string[],
  toRelid: number,
  toColumns = ['id'],
): CatalogTable['foreignKeys'][number] => ({
  name: `${columns.join('_')}_fkey`,
  columns,
  toRelid,
  toColumns,
  validated: true,
});

/** The example system: organizations become workspaces. */
export const workspaceCatalog: Catalog = {
  tables: [
    table(1, 'Workspace', { id: 'text!' }),
    table(2, 'Group', { id: 'text!', orgId: 'text', workspaceId: 'text' }),
    table(
      3,
      'Activity',
      { id: 'text!', groupId: 'text', workspaceId: 'text' },
      { foreignKeys: [foreignKey(['groupId'], 2)] },
    ),
    table(
      4,
      'Response',
      { id: 'text!', activityId: 'text', groupId: 'text', workspaceId: 'text' },
      {
        foreignKeys: [foreignKey(['activityId'], 3), foreignKey(['groupId'], 2)],
      },
    ),
  ],
};
