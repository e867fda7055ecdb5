import { CommanderError } from 'commander';
import type { Environment } from '@highwater/roles';
import { exitCodeOf, exitCodes, type ExitCode } from './exit-codes.js';
import { failureText } from './failure.js';
import type { Terminal } from './output.js';
import { program } from './program.js';
import { Session } from './session.js';

/** Runs one command line and answers its exit code; never throws and never ends the process. */
export async function runCli(
  args: readonly string[],
  terminal: Terminal,
  environment: Environment,
  signal: AbortSignal,
): Promise<ExitCode> {
  const session = new Session(terminal, environment, signal);
  const outcome: { code: ExitCode } = { code: exitCodes.ok };
  try {
    await program(session, outcome).parseAsync([...args], { from: 'user' });
    return outcome.code;
  } catch (error) {
    if (signal.aborted) return signal.reason === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    terminal.err(failureText(error, session.format, session.file));
    return exitCodeOf(error);
  }
}
