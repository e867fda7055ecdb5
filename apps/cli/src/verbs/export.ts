import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { exportSchema, parseSettings, type ExportFormat } from '@highwater/roles';
import { clean, json } from '../output.js';
import type { Session } from '../session.js';

export interface ExportOptions {
  readonly to: ExportFormat;
  readonly out?: string;
}

/** The migration that a fresh database needs, printed or written, and the command that marks it as applied on this one. Changes no database. */
export async function exportMigration(
  session: Session,
  named: string | undefined,
  options: ExportOptions,
): Promise<void> {
  const { out } = options;
  const exported = await exportSchema(parseSettings(session.environment), named, options.to);
  if (out !== undefined)
    for (const { path, text } of exported.files) {
      mkdirSync(dirname(join(out, path)), { recursive: true });
      writeFileSync(join(out, path), text);
    }
  if (session.format === 'json') return session.terminal.out(json(exported));
  const { files, markApplied, targets, migration } = exported;
  if (files.length === 0)
    session.terminal.out(
      `${migration} made nothing that still stands: a fresh database needs no more than your own migrations\n`,
    );
  for (const { path, text } of files)
    session.terminal.out(out === undefined ? `-- ${path}\n${text}\n` : `wrote ${join(out, path)}\n`);
  for (const { command, why } of markApplied)
    session.terminal.out(`\nto mark it as applied here:\n# ${clean(why)}\n${clean(command)}\n`);
  const lines = targets.map(
    ({ table, column, notNull }) => `  ${table}.${column}: ${notNull ? 'required' : 'optional'}\n`,
  );
  session.terminal.out(`\nin your own schema:\n${clean(lines.join(''))}`);
}
