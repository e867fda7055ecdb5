import { exitCodeOfReadiness, type ExitCode } from '../exit-codes.js';
import { json } from '../output.js';
import type { CommonOptions, Session } from '../session.js';
import { readinessTable } from '../status-block.js';

/** Each condition with what would clear it. Exit 0 when ready, 4 when not, 5 when it could not be told. */
export async function readiness(
  session: Session,
  named: string | undefined,
  options: CommonOptions,
): Promise<ExitCode> {
  const view = await session.client(options).readiness(named);
  session.terminal.out(session.format === 'json' ? json(view) : readinessTable(view));
  return exitCodeOfReadiness(view);
}
