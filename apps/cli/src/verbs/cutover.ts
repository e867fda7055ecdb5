import { confirm } from '../confirm.js';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { clean, json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface CutoverOptions extends CommonOptions, DryRunOptions {
  readonly reason: string;
  readonly generation?: string;
  readonly lockBudget?: string;
  readonly lockAttempts?: number;
  readonly yes?: boolean;
}

/** Enforces NOT NULL on every table of the plan, on the readiness just read (or the generation given). Answers when it is over. */
export async function cutover(session: Session, named: string | undefined, options: CutoverOptions): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const generation = options.generation ?? (await client.readiness(migration)).generation;
  const body = {
    reason: options.reason,
    ...(options.lockBudget === undefined ? {} : { lockBudget: options.lockBudget }),
    ...(options.lockAttempts === undefined ? {} : { lockAttempts: options.lockAttempts }),
  };
  if (options.dryRun === true) {
    const request = { method: 'POST', path: `/cutover?migration=${migration}`, body } as const;
    return dryRun(session, client, migration, request, ({ step }) => /^(cutover|index$|foreign key)/.test(step));
  }
  await confirm(
    session,
    migration,
    `each table of "${migration}" is locked in short bounded attempts and becomes NOT NULL`,
    options.yes === true,
  );
  const accepted = await client.cutover(migration, generation, body);
  session.say('accepted', `cutover accepted as operation ${accepted.id}`, { operation: accepted.id });
  const operation = await session.follow(accepted, client.operation);
  session.terminal.out(
    session.format === 'json'
      ? json(operation)
      : `migration "${migration}" is enforced\n${toDo((operation.result as { next?: readonly string[] } | null)?.next ?? [])}\n`,
  );
}

/** What is left to the team, numbered. */
export const toDo = (steps: readonly string[]): string =>
  steps.map((step, n) => clean(`  ${n + 1}. ${step}`)).join('\n');
