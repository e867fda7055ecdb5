import { json } from '../output.js';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { rowSecurityText } from '../row-security-text.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

/** Verbs that ask for one thing and answer when it is true. */
export const acts = {
  pause: {
    about: 'stop the sweep; the live fill goes on',
    done: 'is paused: the sweep stands, the live fill goes on',
    reasonNeeded: false,
  },
  resume: { about: 'go on after a pause or a halt', done: 'goes on', reasonNeeded: false },
  halt: { about: 'stop every fill at once', done: 'is halted: nothing of ours fills any more', reasonNeeded: true },
  hold: {
    about: 'postpone the cutover, also one that starts by itself',
    done: 'is held: no cutover before release',
    reasonNeeded: true,
  },
  release: { about: 'end a hold', done: 'is released', reasonNeeded: true },
  approve: {
    about: 'give one approval, of the cutover or of row level security',
    done: 'is approved by you',
    reasonNeeded: true,
  },
} as const;
export type ActVerb = keyof typeof acts;

export interface ActOptions extends CommonOptions, DryRunOptions {
  readonly reason?: string;
  /** Of `approve`. */
  readonly rowSecurity?: boolean;
}

/** Answers when it is true: after `pause` no sweep write commits any more, after `halt` no fill at all. */
export async function act(
  session: Session,
  verb: ActVerb,
  named: string | undefined,
  options: ActOptions,
): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const body = {
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.rowSecurity === true ? { rowSecurity: true } : {}),
  };
  if (options.rowSecurity === true) {
    const report = await client.rowSecurity(migration);
    if (session.format === 'json' && options.dryRun === true) return session.terminal.out(json({ tables: report }));
    session.terminal.err(rowSecurityText(report));
  }
  if (options.dryRun === true)
    return dryRun(session, client, migration, { method: 'POST', path: `/migrations/${migration}/${verb}`, body });
  const operation = await session.follow(await client.act(migration, verb, body), client.operation);
  const done =
    options.rowSecurity === true
      ? 'has your approval of row level security, which follows enforcement'
      : acts[verb].done;
  session.terminal.out(session.format === 'json' ? json(operation) : `migration "${migration}" ${done}\n`);
}
