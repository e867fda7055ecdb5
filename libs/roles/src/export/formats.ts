import type { HistoryTable } from '@highwater/target-db';
import { shell } from '../diagnosis/shell.js';
import type { SchemaChange } from './schema-change.js';

export const exportFormats = ['prisma', 'knex', 'typeorm', 'sql'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportInput {
  readonly migration: string;
  readonly change: SchemaChange;
  /** Names the files: the same at every export of the same state. */
  readonly at: Date;
  readonly sha256: (text: string) => string;
  /** The tool's own record in this database, when there is one. */
  readonly history: HistoryTable | undefined;
}

export interface ExportedMigration {
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Marks it as applied on the database that Highwater migrated. */
  readonly markApplied: readonly { readonly command: string; readonly why: string }[];
}

/** The migration in the form of one tool. Pure. */
export function exportedAs(format: ExportFormat, input: ExportInput): ExportedMigration {
  return { prisma, knex, typeorm, sql }[format](input);
}

const about = (mark: string) => [
  'What Highwater did here, for databases that do not have it: fresh ones, whose tables are empty or whose rows all have a value.',
  // no semicolon: Prisma's WebAssembly engine cuts scripts at every one, comments included
  'On the database that Highwater migrated it is not run. There, record it as applied:',
  ...mark.split('\n'),
];
const comment = (lines: readonly string[]): string => lines.map((line) => `-- ${line}\n`).join('');
const statements = (list: readonly string[]): string => list.map((one) => `${one};\n`).join('');
const stamp = (at: Date, digits: number): string => at.toISOString().replaceAll(/\D/g, '').slice(0, digits);
const snake = (id: string): string => id.replaceAll('-', '_');
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const recorded = (history: HistoryTable | undefined, usual: string): string => history?.ident ?? usual;

function prisma({ migration, change, at, sha256, history }: ExportInput): ExportedMigration {
  const name = `${stamp(at, 14)}_${snake(migration)}`;
  const command = `npx prisma migrate resolve --applied ${name}`;
  const text = comment(about(command)) + statements(change.up);
  const table = recorded(history, '"_prisma_migrations"');
  const byHand = `insert into ${table} (id, checksum, finished_at, migration_name, started_at, applied_steps_count) values (gen_random_uuid()::text, ${literal(sha256(text))}, now(), ${literal(name)}, now(), 0)`;
  return {
    files: [{ path: `${name}/migration.sql`, text }],
    markApplied: [{ command, why: `if the tool itself fails: psql "$DATABASE_URL" -c ${shell(byHand)}` }],
  };
}

/** `knex.raw` takes `?` for a binding. */
const template = (text: string): string => JSON.stringify(text.replaceAll('?', '\\?'));

function knex({ migration, change, at, history }: ExportInput): ExportedMigration {
  const path = `${stamp(at, 14)}_${snake(migration)}.cjs`;
  const table = recorded(history, 'knex_migrations');
  const command = `psql "$DATABASE_URL" -c ${shell(`insert into ${table} (name, batch, migration_time) select ${literal(path)}, coalesce(max(batch), 0) + 1, now() from ${table}`)}`;
  const body = (list: readonly string[]): string => list.map((one) => `  await knex.raw(${template(one)});\n`).join('');
  const text = `${about(command)
    .map((line) => `// ${line}\n`)
    .join(
      '',
    )}exports.up = async (knex) => {\n${body(change.up)}};\n\nexports.down = async (knex) => {\n${body(change.down)}};\n`;
  return {
    files: [{ path, text }],
    markApplied: [{ command, why: 'Knex has no command for it; this is what it writes itself' }],
  };
}

function typeorm({ migration, change, at, history }: ExportInput): ExportedMigration {
  const time = String(at.getTime());
  const pascal = migration
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('');
  const name = `${pascal}${time}`;
  const table = recorded(history, 'migrations');
  const command = `psql "$DATABASE_URL" -c ${shell(`insert into ${table} ("timestamp", name) values (${time}, ${literal(name)})`)}`;
  const body = (list: readonly string[]): string =>
    list.map((one) => `    await queryRunner.query(${JSON.stringify(one)});\n`).join('');
  const text = `import type { MigrationInterface, QueryRunner } from 'typeorm';

${about(command)
  .map((line) => `// ${line}\n`)
  .join('')}export class ${name} implements MigrationInterface {
  name = '${name}';

  async up(queryRunner: QueryRunner): Promise<void> {
${body(change.up)}  }

  async down(queryRunner: QueryRunner): Promise<void> {
${body(change.down)}  }
}
`;
  return {
    files: [{ path: `${time}-${pascal}.ts`, text }],
    markApplied: [
      {
        command,
        why: 'what TypeORM writes itself; when it is the only one pending: npx typeorm migration:run --fake -d <data source>',
      },
    ],
  };
}

function sql({ migration, change, at }: ExportInput): ExportedMigration {
  const name = `${stamp(at, 14)}_${snake(migration)}`;
  return {
    files: [
      { path: `${name}.up.sql`, text: comment(about('as your own tool records what was run')) + statements(change.up) },
      { path: `${name}.down.sql`, text: statements(change.down) },
    ],
    markApplied: [],
  };
}
