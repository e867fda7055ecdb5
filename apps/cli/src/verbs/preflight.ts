import { parseSettings, preflightPlan } from '@highwater/roles';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { clean, json, table } from '../output.js';
import type { Session } from '../session.js';

/** Every check of a plan against the servers; exit 3 when one blocks. Changes and records nothing. */
export async function preflight(session: Session, path: string): Promise<ExitCode> {
  const source = session.readPlanFile(path);
  const { checks, failures, warnings } = await preflightPlan(parseSettings(session.environment), source);
  if (session.format === 'json') session.terminal.out(json({ passed: failures.length === 0, checks, warnings }));
  else {
    session.terminal.out(
      table(
        ['check', 'status', 'table', 'message'],
        checks.map((one) => [one.check, one.status, one.table ?? '-', one.message]),
      ),
    );
    const fixes = checks
      .filter((one) => one.status !== 'pass')
      .flatMap(({ fixSql }) => (fixSql === undefined ? [] : [fixSql]));
    if (fixes.length > 0)
      session.terminal.out(`\nto be run by an administrator:\n${fixes.map((sql) => `  ${clean(sql)};\n`).join('')}`);
  }
  return failures.length === 0 ? exitCodes.ok : exitCodes.refusedPlan;
}
