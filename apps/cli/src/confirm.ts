import { createInterface } from 'node:readline/promises';
import { HighwaterError } from '@highwater/kernel';
import { cliCodes } from './codes.js';
import { clean } from './output.js';
import type { Session } from './session.js';

/** Asks a person to type the name of what is touched, mostly the migration's (UX-48); a script says `--yes`. */
export async function confirm(session: Session, migration: string, what: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!session.terminal.interactive || process.stdin.isTTY !== true)
    throw new HighwaterError(
      cliCodes.usage,
      'never',
      `not confirmed: ${what}`,
      { migration },
      'say --yes when there is no terminal to type the name on',
    );
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const typed = await reader.question(`${clean(what)}\ntype ${migration} to go on: `, {
      signal: session.signal,
    });
    if (typed.trim() !== migration)
      throw new HighwaterError(
        cliCodes.usage,
        'never',
        `not confirmed: "${clean(typed.trim())}" is not "${migration}"`,
        { migration },
      );
  } finally {
    reader.close();
  }
}
