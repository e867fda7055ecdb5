import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { asUser } from './stage.js';
import type { Stage } from './stage.js';

const cli = fileURLToPath(new URL('../../../../../apps/cli/bin/highwater.mjs', import.meta.url));
const CLI_MS_MAX = 60_000;

/** How the service logs in: one URL per access role, never a superuser. */
export type AccessUrls = Readonly<
  Record<'HIGHWATER_STREAM_URL' | 'HIGHWATER_FILL_URL' | 'HIGHWATER_STATE_URL' | 'HIGHWATER_DDL_URL', string>
>;

/**
 * What an administrator does once: runs the SQL that `highwater init --print-grants` prints, sets passwords, and lets
 * `highwater init` make schema `highwater` as the ddl role.
 */
export async function createAccessRoles(stage: Stage, plan: string): Promise<{ urls: AccessUrls; grants: string }> {
  const file = join(stage.folder, 'plan.yaml');
  writeFileSync(file, plan);
  const grants = await highwater(['init', '--print-grants', '--role-prefix', stage.rolePrefix, file], {
    HIGHWATER_DATABASE_URL: stage.superuserUrl,
  });
  const password = randomBytes(12).toString('hex');
  const client = new pg.Client({ connectionString: stage.superuserUrl, application_name: 'demo administrator' });
  await client.connect();
  try {
    await client.query(grants);
    for (const role of ['stream', 'fill', 'state', 'ddl']) {
      await client.query(
        `alter role ${pg.escapeIdentifier(`${stage.rolePrefix}${role}`)} password ${pg.escapeLiteral(password)}`,
      );
    }
  } finally {
    await client.end();
  }
  const url = (role: string): string => asUser(stage.superuserUrl, `${stage.rolePrefix}${role}`, password);
  const urls: AccessUrls = {
    HIGHWATER_STREAM_URL: url('stream'),
    HIGHWATER_FILL_URL: url('fill'),
    HIGHWATER_STATE_URL: url('state'),
    HIGHWATER_DDL_URL: url('ddl'),
  };
  await highwater(['init'], urls);
  return { urls, grants };
}

/** One run of the CLI; what it printed. Errors carry what it said on standard error. */
async function highwater(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      timeout: CLI_MS_MAX,
    });
    return stdout;
  } catch (error) {
    const { stderr = '', code } = error as { stderr?: string; code?: unknown };
    throw new Error(`highwater ${args.slice(0, 2).join(' ')} failed (${String(code)}): ${stderr.trim()}`, {
      cause: error,
    });
  }
}
