import { grantsFor, initialise, parseSettings } from '@highwater/roles';
import { json } from '../output.js';
import type { Session } from '../session.js';

export interface InitOptions {
  readonly printGrants?: boolean;
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
  const { version, applied } = await initialise(settings);
  if (session.format === 'json') session.terminal.out(json({ version, applied }));
  else {
    const done = applied.length === 0 ? 'was there already' : `installed (${applied.join(', ')})`;
    session.terminal.out(`schema highwater version ${version} ${done}\n`);
  }
}
