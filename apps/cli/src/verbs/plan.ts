import { formatIssue, issueToJson } from '@highwater/plan';
import { estimatesOf, lookAtPlan, parseSettings, readPlan } from '@highwater/roles';
import { json } from '../output.js';
import type { Session } from '../session.js';
import { estimateText } from '../estimate-text.js';
import { stepText } from '../step-text.js';

/** The settings that name a database; without any of them a plan is only judged by itself. */
const databaseSettings = /^HIGHWATER_(DATABASE|STREAM|FILL|STATE|DDL)_URL(_FILE)?$/;

export interface PlanOptions {
  readonly estimate?: boolean;
}

/** Judges a plan; with a database, resolves it and prints each step with its SQL and its lock. Changes nothing. */
export async function plan(session: Session, path: string, options: PlanOptions = {}): Promise<void> {
  const source = session.readPlanFile(path);
  const { parsed, warnings } = readPlan(source);
  const known = Object.entries(session.environment).some(([name, value]) => databaseSettings.test(name) && value);
  const steps = known ? await lookAtPlan(parseSettings(session.environment), source) : undefined;
  const estimates =
    known && options.estimate === true ? await estimatesOf(parseSettings(session.environment), source) : undefined;
  if (session.format === 'json') {
    const { migration } = parsed.plan;
    const found = warnings.map((issue) => issueToJson(issue, path));
    session.terminal.out(
      json({
        migration,
        planHash: parsed.hash,
        warnings: found,
        steps: steps ?? null,
        ...(estimates ? { estimates } : {}),
      }),
    );
    return;
  }
  for (const issue of warnings) session.terminal.err(`${formatIssue(issue, source, path)}\n`);
  session.terminal.out(`plan "${parsed.plan.migration}" is well-formed; ${parsed.plan.tables.length} targets\n`);
  if (steps) session.terminal.out(steps.map(stepText).join(''));
  if (estimates) session.terminal.out(`\n${estimates.map(estimateText).join('')}`);
  if (!steps)
    session.terminal.err('not resolved: set HIGHWATER_DATABASE_URL to check it against the catalog and see its SQL\n');
}
