import { diagnose, parseSettings } from '@highwater/roles';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { clean, json, table } from '../output.js';
import type { Session } from '../session.js';
import { doctorWithPlan, type DoctorOptions } from './doctor-plan.js';

/** What of ours nobody needs any more, each with the command that removes it, and migrations whose tables changed. Exit 2 when there is any. */
export async function doctor(session: Session, options: DoctorOptions): Promise<ExitCode> {
  if (options.plan !== undefined) return doctorWithPlan(session, options.plan, options);
  const found = await diagnose(parseSettings(session.environment));
  if (session.format === 'json') session.terminal.out(json({ ailments: found }));
  else if (found.length === 0)
    session.terminal.out('nothing found: no leftover, and every migration fits its tables\n');
  else {
    const rows = found.map((one) => [one.kind, one.name, one.on ?? '-', one.message]);
    const commands = found.flatMap(({ remove }) => (remove === null ? [] : [`  ${clean(remove)}\n`]));
    session.terminal.out(table(['kind', 'name', 'on', 'message'], rows));
    if (commands.length > 0) session.terminal.out(`\nto be run by an administrator:\n${commands.join('')}`);
  }
  return found.length === 0 ? exitCodes.ok : exitCodes.differences;
}
