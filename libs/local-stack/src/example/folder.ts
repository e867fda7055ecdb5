import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Example } from './example.js';

const examples = fileURLToPath(new URL('../../../../examples/', import.meta.url));

/** What stands in one folder below examples/. */
export interface ExampleFolder {
  readonly name: string;
  /** The plan's. */
  readonly migration: string;
  readonly example: Example<unknown>;
  /** One of its SQL files, see `fileOf`. */
  sql(file: SqlFile): string;
  readonly plan: string;
}

export type SqlFile = 'schema.sql' | 'seed.sql' | 'bad-rows.sql' | 'repair.sql' | 'oracle.sql' | 'end-state.sql';

export const exampleNames = (): string[] =>
  readdirSync(examples).filter((name) => existsSync(join(examples, name, 'plan.yaml')));

/**
 * A folder may hold `example.json` with `{ "otherwiseAs": "<another example>" }`: what it does not hold itself, its application included, is taken from that one.
 *
 * @throws when neither of them has an application.
 */
export async function openExample(name: string): Promise<ExampleFolder> {
  const path = join(examples, name);
  const other = otherwiseAs(path);
  const holder = other !== undefined && !existsSync(join(path, 'application.ts')) ? other : name;
  const module = (await import(join(examples, 'dist', holder, 'application.js'))) as { default: Example<unknown> };
  const plan = readFileSync(join(path, 'plan.yaml'), 'utf8');
  return {
    name,
    migration: migrationOf(plan),
    example: module.default,
    sql: (file) => readFileSync(fileOf(name, file), 'utf8'),
    plan,
  };
}

/** Where one file of an example stands: in its own folder, else in the one that it is otherwise as. */
export function fileOf(name: string, file: SqlFile): string {
  const own = join(examples, name, file);
  const other = otherwiseAs(join(examples, name));
  return other === undefined || existsSync(own) ? own : join(examples, other, file);
}

function otherwiseAs(path: string): string | undefined {
  const file = join(path, 'example.json');
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, 'utf8')) as { otherwiseAs?: string }).otherwiseAs;
}

/** The plan is read by the product; here its second line is enough. */
function migrationOf(plan: string): string {
  const id = /^migration: (\S+)$/m.exec(plan)?.[1];
  if (id === undefined) throw new Error('the plan says no "migration: <id>" on a line of its own');
  return id;
}
