import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import type { Environment } from '@highwater/roles';
import { runCli } from '../../apps/cli/src/cli.js';
import { busyMachineBody, outcomeOf, untilReadinessStays } from './readiness-moved-on.js';

/** One run of the command line as a script sees it: exit code, stdout, stderr. */
export async function highwater(environment: Environment, ...args: string[]) {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    drained: () => Promise.resolve(),
    interactive: false,
  };
  const code = await runCli(args, terminal, environment, new AbortController().signal);
  return { code, out, err };
}

/** Options of the verbs that need locks: what they are given on a busy machine. */
export const patientLocks = ['--lock-budget', busyMachineBody.lockBudget, '--lock-attempts', String(busyMachineBody.lockAttempts)]; // prettier-ignore

/** Waits for readiness and asks for the cutover, as an operator types it; again when readiness has moved on in between. */
export const cutoverOnceReady = (
  environment: Environment,
  migration: string,
): Promise<Awaited<ReturnType<typeof highwater>>> =>
  untilReadinessStays(migration, async () => {
    const waited = await highwater(environment, 'wait', migration, '--for=condition=Ready', '--timeout=180s');
    if (waited.code !== 0) return { answer: waited };
    const asked = await highwater(environment, 'cutover', migration, '--reason', 'now', '--yes', ...patientLocks);
    return outcomeOf(asked, { code: /^error\[(\w+)\]/m.exec(asked.err)?.[1], message: asked.err });
  });

/** Statements on a connection of their own; the rows of all of them. */
export async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const answer: unknown = await client.query(text);
    return (Array.isArray(answer) ? answer : [answer]).flatMap(
      (one: pg.QueryResult) => one.rows as Record<string, unknown>[],
    );
  } finally {
    await client.end();
  }
}

/** One table of 500 groups without a value, and the plan that fills it from `orgId`. */
export const groupsSchema = `create table "Group" (id text primary key, "orgId" text, "workspaceId" text);
  insert into "Group" select 'g' || n, 'o' || n % 3, null from generate_series(1, 500) n`;

/** Plan files in a folder that is removed after the tests. */
export function usePlanFiles(): (name: string, edit?: (text: string) => string) => string {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'highwater-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name, edit = (text) => text) => {
    const path = join(folder, `${name}.yaml`);
    const text = `highwater: 1
migration: ${name}
tables:
  - table: Group
    target: { column: workspaceId, type: text }
    rule: { column: orgId }
    indexes: { Group_workspaceId_idx: [workspaceId] }
cutover: { mode: bridge, start: manual, window: 1s }
stream: none
`;
    writeFileSync(path, edit(text));
    return path;
  };
}
