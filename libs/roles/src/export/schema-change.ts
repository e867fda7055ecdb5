import { assertNever } from '@highwater/kernel';
import type { CreatedDefinition, CreatedKind } from '@highwater/target-db';

/** Statements without semicolons; `down` takes back in reverse order. */
export interface SchemaChange {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

/** What needs what: a constraint its column, a policy row security. */
const order: readonly CreatedKind[] = [
  'column',
  'constraint',
  'index',
  'notNull',
  'rowSecurity',
  'forcedRowSecurity',
  'policy',
];

/** What brings an empty database to where the migration brought this one. Pure. */
export function schemaChange(made: readonly CreatedDefinition[]): SchemaChange {
  const sorted = [...made].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  return { up: sorted.map(up), down: sorted.map(down).reverse() };
}

function up({ kind, table, ident, definition }: CreatedDefinition): string {
  switch (kind) {
    case 'column':
      return `alter table ${table} add column ${ident} ${definition}`;
    case 'constraint':
      return `alter table ${table} add constraint ${ident} ${definition}`;
    case 'index':
      return definition;
    case 'notNull':
      return `alter table ${table} alter column ${ident} set not null`;
    case 'rowSecurity':
      return `alter table ${table} enable row level security`;
    case 'forcedRowSecurity':
      return `alter table ${table} force row level security`;
    case 'policy':
      return `create policy ${ident} on ${table} ${definition}`;
    default:
      return assertNever(kind);
  }
}

function down({ kind, table, ident }: CreatedDefinition): string {
  switch (kind) {
    case 'column':
      return `alter table ${table} drop column ${ident}`;
    case 'constraint':
      return `alter table ${table} drop constraint ${ident}`;
    case 'index':
      // an index lives in its table's schema
      return `drop index ${table.slice(0, schemaEnd(table))}.${ident}`;
    case 'notNull':
      return `alter table ${table} alter column ${ident} drop not null`;
    case 'rowSecurity':
      return `alter table ${table} disable row level security`;
    case 'forcedRowSecurity':
      return `alter table ${table} no force row level security`;
    case 'policy':
      return `drop policy ${ident} on ${table}`;
    default:
      return assertNever(kind);
  }
}

/** Where the schema of a quoted `schema.table` ends. */
function schemaEnd(table: string): number {
  if (!table.startsWith('"')) return table.indexOf('.');
  for (let at = 1; ; at += 1) {
    if (table[at] !== '"') continue;
    if (table[at + 1] === '"') at += 1;
    else return at + 1;
  }
}
