import type pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../support/engine-run.js';
import { enforced, oldApplication, oracle } from '../support/old-application.js';
import { serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

/** So young that readiness does not take it for somebody who stands in the way for good. */
const youngMs = 2_000;

describe('a plan whose cutover starts by itself', () => {
  it('F95 asks as anybody would, waits out whoever holds the table after a failed attempt, and enforces', async () => {
    const plan = quickPlan('by-itself')
      .replace('start: manual', 'start: auto')
      .concat('limits: { lockBudget: 300ms, lockAttempts: 3 }\n');
    const here = (run = await serviceRun(await postgres.freshDatabase(), plan));
    const operator = async (verb: string) =>
      here.settled(String((await here.asked(`/migrations/${here.id}/${verb}`, { reason: 'test' })).body['id']));
    const found = async (type: string) => (await here.events()).find((event) => event.type === type);
    // the bridge is in place before anybody holds the table; then readers of the first hour of a dump, one after the other and never none
    await here.start({ roles: 'control,sweeper' });
    await here.asked('/migrations', plan);
    await operator('hold');
    await here.asked(`/migrations/${here.id}/start`, {});
    await here.until('bridged');
    const [reader, next] = [await here.client('pg_dump'), await here.client('pg_dump')];
    const read = async (one: pg.Client) => {
      await one.query(`begin isolation level repeatable read; select count(*) from "Group"`);
      return { one, at: performance.now() };
    };
    let reading = await read(reader);
    const old = oldApplication(await here.client('old-app'), 15);
    await operator('release');
    await waitFor(
      'an attempt to begin beside the reader',
      async () => {
        if (await found('CutoverBegan')) return true;
        if (performance.now() - reading.at < youngMs) return false;
        const before = reading.one;
        reading = await read(before === reader ? next : reader);
        await before.query('rollback');
        return false;
      },
      { everyMs: 100 },
    );
    const failed = await waitFor('the attempt to fail on the reader', () => found('CutoverFailed'), {
      everyMs: 100,
    });
    expect(failed).toMatchObject({ data: { code: 'HW5001', blocker: { applicationName: 'pg_dump' } } });
    expect(failed.data['message']).toContain('pg_dump');
    expect((await here.prepared.admin.query(`select from pg_constraint where conname like 'hw\\_%'`)).rowCount).toBe(0);
    await reading.one.query('rollback');
    // each attempt that fails on a busy machine is followed by a longer pause
    await here.until('enforced', 180_000);
    await old.stop();
    expect(old.failed).toEqual([]);
    expect((await here.prepared.admin.query(oracle)).rows).toEqual([enforced]);
    const began = (await here.events()).filter((event) => event.type === 'CutoverBegan');
    expect(began.length).toBeGreaterThan(1);
    expect(new Set(began.map((event) => event.metadata['actor']))).toEqual(new Set(['service']));
    // of each attempt; what was asked for and not begun, since readiness moved on, is told of by its operation alone
    const outcomes = [];
    for (const { metadata } of began) outcomes.push((await here.settled(String(metadata['operationId'])))['status']);
    expect(outcomes).toEqual([...began.slice(1).map(() => 'failed'), 'succeeded']);
  });
});
