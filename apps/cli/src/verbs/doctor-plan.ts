import { diagnosePlan, parseSettings, type Diagnosis } from '@highwater/roles';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { clean, json, table } from '../output.js';
import type { Session } from '../session.js';

export interface DoctorOptions {
  readonly plan?: string;
  readonly historyTable?: string;
  readonly migrationsDir?: string;
}

/** What state the database is in for a plan, and the next commands. Exit 0: all in place, 2: something is to be done, 3: the plan does not fit. */
export async function doctorWithPlan(session: Session, plan: string, options: DoctorOptions): Promise<ExitCode> {
  const diagnosis = await diagnosePlan(parseSettings(session.environment), {
    source: session.readPlanFile(plan),
    planFile: plan,
    ...(options.historyTable === undefined ? {} : { historyTable: options.historyTable }),
    ...(options.migrationsDir === undefined ? {} : { migrationsDir: options.migrationsDir }),
  });
  session.terminal.out(session.format === 'json' ? json(diagnosis) : textOf(diagnosis));
  if (diagnosis.scenario === 'refused') return exitCodes.refusedPlan;
  return diagnosis.scenario === 'done' && diagnosis.commands.length === 0 ? exitCodes.ok : exitCodes.differences;
}

const marks = { fact: ' ', warning: '!', obstacle: 'X' } as const;

function textOf({ migration, letter, means, scenario, findings, checklist, commands }: Diagnosis): string {
  const found = findings.map(({ kind, on, message }) => [marks[kind], on, message]);
  const checks = checklist.map(({ what, holds }) => `  [${holds === null ? '?' : holds ? 'x' : ' '}] ${clean(what)}\n`);
  return [
    `${migration}: scenario ${letter} (${scenario}): ${means}\n\n`,
    table([' ', 'on', 'found'], found),
    '\nchecklist ([?]: only you can tell):\n',
    ...checks,
    commands.length === 0 ? nothingToPaste(scenario) : `\nwhat to do now, in this order:\n\n${scriptOf(commands)}`,
  ].join('');
}

const nothingToPaste = (scenario: Diagnosis['scenario']): string =>
  scenario === 'done'
    ? '\nnothing is to be done\n'
    : '\nno command is printed: look at what is marked above first, then ask again\n';

/** Runs as it stands when pasted into a shell; reasons, and what does the same by hand, are comments. */
function scriptOf(commands: Diagnosis['commands']): string {
  return commands
    .map(({ command, why, instead }) => {
      const byHand = instead === undefined ? '' : `#   if the tool itself fails: ${oneLine(instead)}\n`;
      return `# ${oneLine(why)}\n${byHand}${cleanLines(command)}\n`;
    })
    .join('\n');
}

const oneLine = (text: string): string => clean(text).replaceAll(/\s*\n\s*/g, ' ');
const cleanLines = (text: string): string => text.split('\n').map(clean).join('\n');
