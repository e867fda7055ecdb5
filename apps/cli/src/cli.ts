import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { HighwaterError } from '@highwater/kernel';
import type { Environment } from '@highwater/roles';
import { cliCodes } from './codes.js';
import { exitCodeOf, exitCodes, type ExitCode } from './exit-codes.js';
import { failureText } from './failure.js';
import { json, type Format, type Terminal } from './output.js';
import { Session, type CommonOptions } from './session.js';
import { cutover, type CutoverOptions } from './verbs/cutover.js';
import { events, type EventsOptions } from './verbs/events.js';
import { finish, type FinishOptions } from './verbs/finish.js';
import { init, type InitOptions } from './verbs/init.js';
import { pauseOrResume, type PauseOptions } from './verbs/pause.js';
import { plan } from './verbs/plan.js';
import { preflight } from './verbs/preflight.js';
import { readiness } from './verbs/readiness.js';
import { run, type RunOptions } from './verbs/run.js';
import { start } from './verbs/start.js';
import { status } from './verbs/status.js';
import { watch } from './verbs/watch.js';

export const version = '0.1.0';

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

function program(session: Session, outcome: { code: ExitCode }): Command {
  const root = new Command('highwater')
    .description('Fills a derived column on live PostgreSQL tables and makes it NOT NULL without a maintenance window.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => session.terminal.out(text), writeErr: (text) => session.terminal.err(text) })
    .showHelpAfterError('(highwater --help lists the verbs)')
    .addHelpText('after', '\nSettings come from HIGHWATER_*; errors are explained in docs/errors.md.');
  /** A verb; the format is known before anything can fail. One that can say yes and no answers its exit code. */
  const verb = <A extends unknown[]>(
    signature: string,
    about: string,
    act: (...given: A) => Promise<unknown>,
  ): Command =>
    root
      .command(signature)
      .description(about)
      .addOption(new Option('-o, --output <format>', 'form of the answer').choices(['table', 'json']).default('table'))
      .action(async (...given: unknown[]) => {
        const { output } = given.at(-2) as { output: Format };
        session.format = output;
        const answer = await act(...(given as A));
        outcome.code = typeof answer === 'number' ? (answer as ExitCode) : exitCodes.ok;
      });
  const remote = <A extends unknown[]>(
    signature: string,
    about: string,
    act: (...given: A) => Promise<unknown>,
  ): Command =>
    verb(signature, about, act).option(
      '--server <url>',
      'the service (default: HIGHWATER_HTTP, else http://127.0.0.1:8484)',
    );

  verb(
    'init [plan]',
    'make schema highwater, or print the roles and grants it needs',
    (file: string | undefined, options: InitOptions) => init(session, file, options),
  )
    .option('--print-grants', 'print the SQL for an administrator, change nothing')
    .option('--role-prefix <prefix>', 'first part of the database roles', 'highwater_');
  verb('plan <file>', 'judge a plan; with a database, show each step, its SQL and its lock', (file: string) =>
    plan(session, file),
  );
  verb('preflight <file>', 'check what a plan needs of the servers', (file: string) => preflight(session, file));
  verb('run <file>', 'do the whole job in this process, without a service', (file: string, options: RunOptions) =>
    run(session, file, options),
  )
    .option('--cutover', 'enforce as soon as it is ready')
    .option('--finish', 'then take down what is ours')
    .option('--bridge-unused', 'nobody needs the bridge; --finish needs it with stream: none')
    .option('--yes', 'do not ask');
  remote(
    'start [migration]',
    'begin a migration; given a plan file, hand it in first',
    (what: string | undefined, options: CommonOptions) => start(session, what, options),
  );
  remote(
    'status [migration]',
    'status of one migration, or the list',
    (id: string | undefined, options: CommonOptions) => status(session, id, options),
  );
  remote('watch [migration]', 'status lines until it is finished', (id: string | undefined, options: CommonOptions) =>
    watch(session, id, options),
  );
  for (const [name, about] of [
    ['pause', 'stop the sweep; the live fill goes on'],
    ['resume', 'go on after a pause or a halt'],
  ] as const)
    remote(`${name} [migration]`, about, (id: string | undefined, options: PauseOptions) =>
      pauseOrResume(session, name, id, options),
    ).option('--reason <text>', 'recorded with the event');
  remote(
    'readiness [migration]',
    'each readiness condition and what would clear it',
    (id: string | undefined, options: CommonOptions) => readiness(session, id, options),
  );
  remote('cutover [migration]', 'enforce NOT NULL', (id: string | undefined, options: CutoverOptions) =>
    cutover(session, id, options),
  )
    .requiredOption('--reason <text>', 'recorded with the event')
    .option('--generation <text>', 'the readiness it was decided on (default: the present one)')
    .option('--lock-budget <duration>', 'wait and hold of one step at most')
    .option('--lock-attempts <n>', 'attempts of one step', wholeNumber)
    .option('--yes', 'do not ask');
  remote('finish [migration]', 'take down what is ours', (id: string | undefined, options: FinishOptions) =>
    finish(session, id, options),
  )
    .option('--after <duration>', 'time without use of the bridge (default: the window of the plan)')
    .option('--bridge-unused', 'nobody needs the bridge; needed with stream: none')
    .option('--purge', 'remove schema highwater with its history too')
    .option('--reason <text>', 'recorded with the event')
    .option('--yes', 'do not ask');
  remote('events [migration]', 'history of a migration', (id: string | undefined, options: EventsOptions) =>
    events(session, id, options),
  )
    .option('--after <version>', 'only events after this version', wholeNumber, 0)
    .option('--follow', 'go on with what comes');
  verb('version', 'version of this program', async () => {
    session.terminal.out(session.format === 'json' ? json({ version, node: process.version }) : `${version}\n`);
  });
  return root.action(() => {
    throw new HighwaterError(cliCodes.usage, 'never', 'no verb given', {}, 'highwater --help lists them');
  });
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}
