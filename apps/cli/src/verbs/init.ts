import { grantsFor, initialise, parseSettings } from '@highwater/roles';
import { clean, json } from '../output.js';
import type { Session } from '../session.js';

export interface InitOptions {
  readonly printGrants?: boolean;
  readonly backup?: string;
  readonly rolePrefix: string;
}

/** Makes schema `highwater`, or prints the SQL that an administrator runs before that can be done. */
export async function init(session: Session, plan: string | undefined, options: InitOptions): Promise<void> {
  const settings = parseSettings(session.environment);
  if (options.printGrants === true) {
    const source = plan === undefined ? undefined : session.readPlanFile(plan);
    const sql = await grantsFor(settings, options.rolePrefix, source);
    session.terminal.out(session.format === 'json' ? json({ sql }) : sql);
    return;
  }
  const { version, applied } = await initialise(settings, options.backup);
  if (session.format === 'json') session.terminal.out(json({ version, applied, backup: options.backup ?? null }));
  else {
    const done = applied.length === 0 ? 'was there already' : `installed (${applied.join(', ')})`;
    const backup = options.backup === undefined ? '' : `backup on record: ${clean(options.backup)}\n`;
    session.terminal.out(`schema highwater version ${version} ${done}\n${backup}`);
  }
}
