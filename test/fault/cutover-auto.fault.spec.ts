import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../support/engine-run.js';
import { enforced, oldApplication, oracle } from '../support/old-application.js';
import { runToBridged, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

describe('a plan whose cutover starts by itself', () => {
  it('F95 asks as anybody would, waits out whoever holds the table after a failed attempt, and enforces', async () => {
    const plan = quickPlan('by-itself')
      .replace('start: manual', 'start: auto')
      .concat('limits: { lockBudget: 300ms, lockAttempts: 2 }\n');
    const here = (run = await serviceRun(await postgres.freshDatabase(), plan));
    // the bridge is in place before anybody holds the table; then a reader of the first hour of a dump
    await here.start({ roles: 'control,sweeper' });
    await runToBridged(here, plan);
    const reader = await here.client('pg_dump');
    await reader.query(`begin isolation level repeatable read; select count(*) from "Group"`);
    const old = oldApplication(await here.client('old-app'), 15);
    const failed = await waitFor(
      'an attempt to fail on the reader',
      async () => (await here.events()).find((event) => event.type === 'CutoverFailed'),
      { timeoutMs: 90_000, everyMs: 100 },
    );
    expect(failed).toMatchObject({ data: { code: 'HW5001', blocker: { applicationName: 'pg_dump' } } });
    expect(failed.data['message']).toContain('pg_dump');
    expect((await here.prepared.admin.query(`select from pg_constraint where conname like 'hw\\_%'`)).rowCount).toBe(0);
    await reader.query('rollback');
    await here.until('enforced', 90_000);
    await old.stop();
    expect(old.failed).toEqual([]);
    expect((await here.prepared.admin.query(oracle)).rows).toEqual([enforced]);
    const began = (await here.events()).filter((event) => event.type === 'CutoverBegan');
    expect(began.length).toBeGreaterThan(1);
    expect(new Set(began.map((event) => event.metadata['actor']))).toEqual(new Set(['service']));
    const { rows } = await here.prepared.admin.query<{ status: string }>(
      `select status from highwater.operation where verb = 'cutover' order by requested_at`,
    );
    expect(rows.map((row) => row.status)).toEqual([...began.slice(1).map(() => 'failed'), 'succeeded']);
  });
});
