import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../support/engine-run.js';
import { workspaceSchema, workspaceSeed } from '../support/least-privilege.js';
import { ask, startService, type ServiceProcess } from '../support/service-process.js';
import { usePostgres, waitFor } from '../support/stack.js';

interface Progress {
  readonly run: string;
  readonly startedAt: string;
  readonly tables: readonly { table: string; checked: number; done: boolean }[];
}

describe('a verification whose process is killed', () => {
  const postgres = usePostgres();
  const logs = mkdtempSync(join(tmpdir(), 'highwater-verify-'));
  let service: ServiceProcess | undefined;
  let admin: pg.Client | undefined;
  afterEach(async () => {
    await service?.kill('SIGKILL');
    await admin?.end();
    rmSync(logs, { recursive: true, force: true });
  });

  it('goes on in another process where it was: what was compared is not compared again', async () => {
    const url = await postgres.freshDatabase('verifycrash');
    admin = new pg.Client({ connectionString: url });
    admin.on('error', () => undefined);
    await admin.connect();
    await admin.query(`${workspaceSchema}; ${workspaceSeed}`);
    const environment = {
      HIGHWATER_DATABASE_URL: url,
      HIGHWATER_ROLES: 'control,sweeper',
      HIGHWATER_LOG_LEVEL: 'warn',
    };
    const started = await startService(environment, join(logs, 'first.log'));
    service = started;
    const plan = `${quickPlan('crash')}accept: [UnlimitedSlotWal]\n`;
    await ask(started.url, '/migrations', { body: plan });
    await ask(started.url, '/migrations/crash/start', { body: {} });
    const verification = async (of: ServiceProcess) =>
      (await ask(of.url, '/migrations/crash/verification'))?.body as
        { last: { checked: number; operationId: string | null } | null; running: Progress | null } | undefined;
    await waitFor('the first verification', async () => (await verification(started))?.last ?? undefined);

    // nobody can read the second table: the first is compared, the second waits
    await admin.query('begin; lock table "Activity" in access exclusive mode');
    const asked = await ask(started.url, '/migrations/crash/verify', { body: { reason: 'audit' } });
    expect(asked?.status).toBe(202);
    const before = await waitFor('the first table to be compared', async () => {
      const running = (await verification(started))?.running;
      return running?.run === asked?.body['id'] && running?.tables[0]?.done === true && running;
    });
    expect(before.tables).toMatchObject([
      { table: 'public.Group', checked: 9, done: true },
      { table: 'public.Activity', checked: 0, done: false },
    ]);
    await started.kill('SIGKILL');
    // a second look at the first table would find this; one that goes on does not look there again
    await admin.query(`update "Group" set "workspaceId" = 'o9' where id = 'g1'; commit`);

    const again = await startService(environment, join(logs, 'second.log'));
    service = again;
    const done = await waitFor(
      'the operation to succeed',
      async () => {
        const answer = await ask(again.url, `/operations/${String(asked?.body['id'])}`);
        return answer?.body['status'] === 'succeeded' && answer.body;
      },
      { describe: () => verification(again) },
    );
    expect(done['result']).toMatchObject({
      checked: 209,
      tables: [
        { table: 'public.Group', checked: 9, mismatches: 0 },
        { table: 'public.Activity', checked: 200 },
      ],
    });
    expect((await verification(again))?.last).toMatchObject({ checked: 209, operationId: asked?.body['id'] });
  });
});
