import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { unfillableReasons, HighwaterError } from '@highwater/kernel';
import { unfillablePolicies } from '@highwater/plan';
import { exportFormats } from '@highwater/roles';
import { cliCodes } from './codes.js';
import { exitCodes, type ExitCode } from './exit-codes.js';
import { json, type Format } from './output.js';
import type { CommonOptions, Session } from './session.js';
import { act, acts, type ActOptions, type ActVerb } from './verbs/act.js';
import { completion, shells, type Shell } from './verbs/completion.js';
import { config, type ConfigOptions } from './verbs/config.js';
import { cutover, type CutoverOptions } from './verbs/cutover.js';
import { doctor } from './verbs/doctor.js';
import type { DoctorOptions } from './verbs/doctor-plan.js';
import { events, type EventsOptions } from './verbs/events.js';
import { exportMigration, type ExportOptions } from './verbs/export.js';
import { finish, type FinishOptions } from './verbs/finish.js';
import { forecast, type ForecastOptions } from './verbs/forecast.js';
import { init, type InitOptions } from './verbs/init.js';
import { plan, type PlanOptions } from './verbs/plan.js';
import { preflight } from './verbs/preflight.js';
import { readiness } from './verbs/readiness.js';
import { run, type RunOptions } from './verbs/run.js';
import { rollback, type RollbackOptions } from './verbs/rollback.js';
import { set, type SetOptions } from './verbs/set.js';
import { start, type StartOptions } from './verbs/start.js';
import { status } from './verbs/status.js';
import { unenforce, type UnenforceOptions } from './verbs/unenforce.js';
import { unfillable, type UnfillableOptions } from './verbs/unfillable.js';
import { verify, type VerifyOptions } from './verbs/verify.js';
import { wait, type WaitOptions } from './verbs/wait.js';
import { watch } from './verbs/watch.js';

export const version = '0.1.0';

type Act = (...given: never[]) => Promise<unknown>;
type Verb = (signature: string, about: string, act: Act, formats?: readonly Format[]) => Command;

/** Every verb. `outcome` is what the one that ran ends with. */
export function program(session: Session, outcome: { code: ExitCode }): Command {
  const root = new Command('highwater')
    .description('Fills a derived column on live PostgreSQL tables and makes it NOT NULL without a maintenance window.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => session.terminal.out(text), writeErr: (text) => session.terminal.err(text) })
    .showHelpAfterError('(highwater --help lists the verbs)')
    .addHelpText('after', '\nSettings come from HIGHWATER_*; errors are explained in docs/errors.md.');
  /** The format is known before anything can fail. A verb that can say yes and no answers its exit code. */
  const verb: Verb = (signature, about, act, formats = ['table', 'json']) =>
    root
      .command(signature)
      .description(about)
      .addOption(new Option('-o, --output <format>', 'form of the answer').choices([...formats]).default('table'))
      .action(async (...given: unknown[]) => {
        const { output } = given.at(-2) as { output: Format };
        session.format = output;
        const answer = await (act as (...all: unknown[]) => Promise<unknown>)(...given);
        outcome.code = typeof answer === 'number' ? (answer as ExitCode) : exitCodes.ok;
      });
  const remote: Verb = (...given) =>
    verb(...given).option('--server <url>', 'the service (default: HIGHWATER_HTTP, else http://127.0.0.1:8484)');
  onTheDatabase(session, verb);
  overTheService(session, remote);
  ofTheCutover(session, remote);
  verb('version', 'version of this program', async () => {
    session.terminal.out(session.format === 'json' ? json({ version, node: process.version }) : `${version}\n`);
  });
  verb('completion', 'a completion script for your shell', async (shell: Shell) => {
    session.terminal.out(completion(root, shell));
  }).addArgument(new Argument('<shell>').choices([...shells]));
  return root.action(() => {
    throw new HighwaterError(cliCodes.usage, 'never', 'no verb given', {}, 'highwater --help lists them');
  });
}

function onTheDatabase(session: Session, verb: Verb): void {
  verb(
    'init [plan]',
    'make schema highwater, or print the roles and grants it needs',
    (file: string | undefined, options: InitOptions) => init(session, file, options),
  )
    .option('--print-grants', 'print the SQL for an administrator, change nothing')
    .option('--backup <reference>', 'where your own backup is; recorded, and shown wherever a rollback is looked at')
    .option('--role-prefix <prefix>', 'first part of the database roles', 'highwater_');
  verb(
    'plan <file>',
    'judge a plan; with a database, show each step, its SQL and its lock',
    (file: string, options: PlanOptions) => plan(session, file, options),
  ).option('--estimate', 'duration, WAL and growth of the fill, from a few rows written and rolled back');
  verb('preflight <file>', 'check what a plan needs of the servers', (file: string) => preflight(session, file));
  verb('run <file>', 'do the whole job in this process, without a service', (file: string, options: RunOptions) =>
    run(session, file, options),
  )
    .option('--cutover', 'enforce as soon as it is ready')
    .option('--finish', 'then take down what is ours')
    .option('--bridge-unused', 'nobody needs the bridge; --finish needs it with stream: none')
    .addOption(dryRun())
    .option('--yes', 'do not ask');
  verb(
    'doctor',
    'leftovers and migrations whose tables changed; with a plan, what state the database is in and what to do now; reads only, exit 2 when there is anything',
    (options: DoctorOptions) => doctor(session, options),
  )
    .option('--plan <file>', 'look at the tables of this plan; needs no schema highwater')
    .option('--history-table <name>', "the migration tool's own record (default: found by its shape)")
    .option(
      '--migrations-dir <path>',
      "the team's migrations (default: prisma/migrations, migrations, src/migrations)",
    );
  verb(
    'export [migration]',
    'the migration that a fresh database needs, in the form of your tool, and the command that marks it as applied here',
    (id: string | undefined, options: ExportOptions) => exportMigration(session, id, options),
  )
    .addOption(new Option('--to <tool>', 'form of the migration').choices([...exportFormats]).makeOptionMandatory())
    .option('--out <folder>', "write it there (the tool's folder of migrations) instead of printing it");
  verb('config', 'settings as this process sees them, secrets masked', (_show: string, options: ConfigOptions) =>
    config(session, options),
  )
    .addArgument(new Argument('[show]').choices(['show']).default('show'))
    .option('--origin', 'with where each comes from');
}

function overTheService(session: Session, remote: Verb): void {
  remote(
    'start [migration]',
    'begin a migration; given a plan file, hand it in first',
    (what: string | undefined, options: StartOptions) => start(session, what, options),
  ).addOption(dryRun());
  remote(
    'status [migration]',
    'status of one migration, or the list',
    (id: string | undefined, options: CommonOptions) => status(session, id, options),
  );
  remote('watch [migration]', 'status lines until it is finished', (id: string | undefined, options: CommonOptions) =>
    watch(session, id, options),
  );
  remote('wait [migration]', 'until it is so; exit 6 when the time is over', (id: string | undefined, o: WaitOptions) =>
    wait(session, id, o),
  )
    .requiredOption('--for <goal>', 'condition=Ready, condition=Verified=True, phase=enforced, pause=paused')
    .option('--timeout <duration>', 'at most this long', '10m');
  for (const [name, { about, reasonNeeded }] of Object.entries(acts)) {
    const made = remote(`${name} [migration]`, about, (id: string | undefined, options: ActOptions) =>
      act(session, name as ActVerb, id, options),
    ).addOption(dryRun());
    made.addOption(new Option('--reason <text>', 'recorded with the event').makeOptionMandatory(reasonNeeded));
    if (name === 'approve')
      made.option('--row-security', 'of row level security, with the report of what each tenant would see');
  }
  remote(
    'set',
    'change limits while it runs: set [migration] rowBudget=100ms sweepWorkers=4',
    (what: string[], options: SetOptions) => set(session, what, options),
  )
    .argument('<limits...>', 'name=value, named as in the plan; the first word may be the migration')
    .addOption(dryRun())
    .option('--reason <text>', 'recorded with the request');
  remote(
    'forecast [migration]',
    'what becomes of every row: of a plan file, before anything is written; of a migration, beside the outcome',
    (what: string | undefined, options: ForecastOptions) => forecast(session, what, options),
  )
    .option('--exact', 'look at every row of large tables too; of a plan file')
    .option('--table <name>', 'only this table');
  remote(
    'verify [migration]',
    'compare every stored value with its rule; exit 2 when rows differ',
    (id: string | undefined, options: VerifyOptions) => verify(session, id, options),
    ['table', 'json', 'csv'],
  )
    .option('--list', 'show what the last one found, compare nothing')
    .option('--reason <text>', 'recorded with the request');
  remote(
    'unfillable [migration]',
    'rows that no pass could fill, and a retry of them',
    (id: string | undefined, options: UnfillableOptions) => unfillable(session, id, options),
    ['table', 'json', 'csv'],
  )
    .option('--table <name>', 'only of this table')
    .addOption(new Option('--reason <name>', 'only with this reason').choices([...unfillableReasons]))
    .addOption(
      new Option('--policy <name>', 'only those that the plan holds, or leaves NULL').choices([...unfillablePolicies]),
    )
    .option('--retry', 'derive and write them again first')
    .addOption(dryRun())
    .option('--note <text>', 'recorded with the retry');
  remote('events [migration]', 'history of a migration', (id: string | undefined, options: EventsOptions) =>
    events(session, id, options),
  )
    .option('--after <version>', 'only events after this version', wholeNumber, 0)
    .option('--follow', 'go on with what comes');
}

function ofTheCutover(session: Session, remote: Verb): void {
  remote(
    'readiness [migration]',
    'each readiness condition and what would clear it',
    (id: string | undefined, options: CommonOptions) => readiness(session, id, options),
  );
  const bounded = (made: Command): Command =>
    made
      .requiredOption('--reason <text>', 'recorded with the event')
      .option(
        '--lock-budget <duration>',
        "wait and hold of one step at most; from the server's deadlock_timeout (1 s) on the application may become the victim of a deadlock",
      )
      .option('--lock-attempts <n>', 'attempts of one step', wholeNumber)
      .addOption(dryRun())
      .option('--yes', 'do not ask');
  bounded(
    remote('cutover [migration]', 'enforce NOT NULL', (id: string | undefined, options: CutoverOptions) =>
      cutover(session, id, options),
    ),
  ).option('--generation <text>', 'the readiness it was decided on (default: the present one)');
  bounded(
    remote(
      'unenforce [migration]',
      'drop NOT NULL again; the bridge stays',
      (id: string | undefined, options: UnenforceOptions) => unenforce(session, id, options),
    ),
  );
  bounded(
    remote(
      'rollback [migration]',
      'take back what the migration made and, with a journal, what it wrote',
      (id: string | undefined, options: RollbackOptions) => rollback(session, id, options),
    ),
  );
  remote('finish [migration]', 'take down what is ours', (id: string | undefined, options: FinishOptions) =>
    finish(session, id, options),
  )
    .option('--after <duration>', 'time without use of the bridge (default: the window of the plan)')
    .option('--bridge-unused', 'nobody needs the bridge; needed with stream: none')
    .option('--without-row-security', 'leave out the row level security of the plan')
    .option('--purge', 'instead: remove schema highwater with its history from the database, when all is finished')
    .option('--reason <text>', 'recorded with the event')
    .addOption(dryRun())
    .option('--yes', 'do not ask');
}

const dryRun = (): Option => new Option('--dry-run', 'show what would be done, change nothing');

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}
