import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HighwaterError, messageOf } from '@highwater/kernel';
import type { HistoryTool } from '@highwater/target-db';
import { diagnosisCodes } from './codes.js';

/** One migration as it lies in the team's folder. */
export interface FolderMigration {
  /** As the tool records it. */
  readonly name: string;
  readonly path: string;
  readonly text: string;
  readonly isSql: boolean;
}

export interface MigrationsFolder {
  readonly path: string;
  readonly tool: HistoryTool;
  readonly schemaFile: string | null;
  readonly migrations: readonly FolderMigration[];
}

/** Where the tools put them, unless told otherwise. */
const usual = ['prisma/migrations', 'migrations', 'src/migrations'];

/**
 * Reads the team's migrations, by the names their tool records. Without `given` the usual places of the working directory are tried;
 * none of them is no error. Errors: HW2202 (the folder given cannot be read, or holds no migration).
 */
export function readMigrationsFolder(
  given: string | undefined,
  recorded: readonly HistoryTool[],
): MigrationsFolder | undefined {
  for (const path of given === undefined ? usual.filter((one) => existsSync(one)) : [given]) {
    const found = read(path, recorded, given !== undefined);
    if (found) return found;
  }
  return undefined;
}

function read(path: string, recorded: readonly HistoryTool[], asked: boolean): MigrationsFolder | undefined {
  try {
    const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    const scripts = entries
      .map(({ name }) => ({ name, path: join(path, name, 'migration.sql') }))
      .filter((one) => existsSync(one.path));
    if (scripts.length > 0) {
      const migrations = scripts.map((one) => ({ ...one, text: readFileSync(one.path, 'utf8'), isSql: true }));
      return { path, tool: 'prisma', schemaFile: schemaFileBeside(path), migrations };
    }
    const files = entries.filter((one) => one.isFile() && /^\d{13,}[-_].*\.[cm]?[jt]s$/.test(one.name));
    if (files.length > 0) {
      // <milliseconds>-<Name>.ts is TypeORM's habit, <yyyymmddhhmmss>_<name>.js Knex's
      const [first] = files;
      const byName: HistoryTool = /^\d{13}-/.test(first?.name ?? '') ? 'typeorm' : 'knex';
      const tool = recorded.includes(byName) ? byName : (recorded.find((one) => one !== 'prisma') ?? byName);
      const migrations = files.map(({ name }) => ({
        name: tool === 'typeorm' ? name.replace(/^(\d{13})-(.*)\.[^.]+$/, '$2$1') : name,
        path: join(path, name),
        text: readFileSync(join(path, name), 'utf8'),
        isSql: false,
      }));
      return { path, tool, schemaFile: null, migrations };
    }
  } catch (error) {
    if (asked) throw unusable(path, messageOf(error));
  }
  if (asked) throw unusable(path, 'neither <name>/migration.sql nor <timestamp>_<name>.js is in it');
  return undefined;
}

const unusable = (path: string, why: string): HighwaterError =>
  new HighwaterError(
    diagnosisCodes.folderUnusable,
    'never',
    `migrations folder ${path} cannot be used: ${why}`,
    { path },
    'give --migrations-dir the folder that your migration tool reads, for example prisma/migrations',
  );

/** Prisma's commands up to version 6 want to be told where the schema is; from 7 on they refuse the option. */
function schemaFileBeside(path: string): string | null {
  const file = join(dirname(path), 'schema.prisma');
  if (!existsSync(file)) return null;
  try {
    const { version } = JSON.parse(readFileSync('node_modules/prisma/package.json', 'utf8')) as { version: string };
    return Number(version.split('.')[0]) >= 7 ? null : file;
  } catch {
    return file;
  }
}
