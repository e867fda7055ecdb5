import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { highwater } from './cli.js';
import { asUser } from './stage.js';
import type { Stage } from './stage.js';

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
