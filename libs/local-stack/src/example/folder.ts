import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Example } from './example.js';

const examples = fileURLToPath(new URL('../../../../examples/', import.meta.url));

/** What stands in one folder below examples/. */
export interface ExampleFolder {
  readonly name: string;
  readonly path: string;
  readonly example: Example<unknown>;
  /** One of its SQL files. */
  sql(file: SqlFile): string;
  readonly plan: string;
}

export type SqlFile = 'schema.sql' | 'seed.sql' | 'bad-rows.sql' | 'repair.sql' | 'oracle.sql' | 'end-state.sql';

export const exampleNames = (): string[] =>
  readdirSync(examples).filter((name) => existsSync(join(examples, name, 'plan.yaml')));

export async function openExample(name: string): Promise<ExampleFolder> {
  const path = join(examples, name);
  const module = (await import(join(examples, 'dist', name, 'application.js'))) as { default: Example<unknown> };
  return {
    name,
    path,
    example: module.default,
    sql: (file) => readFileSync(join(path, file), 'utf8'),
    plan: readFileSync(join(path, 'plan.yaml'), 'utf8'),
  };
}
