import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drainGate, projectMigration, registerMigration } from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

const cluster = usePostgres();
let p: Prepared;
beforeAll(async () => {
  p = await prepare(await cluster.freshDatabase('gate'), workspaceSchema, workspacePlan);
  await registerMigration(p.database.state, { id: 'late', short: '0badcafe', planSource: '', planHash: 'h' });
});
afterAll(() => p.close());

const project = (streamVersion: bigint, gate: { sweep: boolean; live: boolean }): Promise<void> =>
  projectMigration(p.database.state, 'late', {
    phase: 'sweeping',
    epoch: 1,
    stream: null,
    limits: {},
    gate,
    streamVersion,
  });
const gate = async (): Promise<unknown> =>
  (await p.admin.query(`select sweep_open as sweep, live_open as live from highwater.gate where migration_id = 'late'`))
    .rows[0];

describe('the gate is a projection of the history', () => {
  it('stays closed when an act that was decided before the pause ends after it (G9)', async () => {
    await project(5n, { sweep: true, live: true });
    expect(await gate()).toEqual({ sweep: true, live: true });
    await project(6n, { sweep: false, live: true }); // Paused
    await drainGate(p.database.state, { migrationId: 'late', short: '0badcafe' }, ['sweep']); // acknowledged
    await project(5n, { sweep: true, live: true }); // a sweep start of before, a controller that froze
    expect(await gate()).toEqual({ sweep: false, live: true });
    await project(7n, { sweep: true, live: true }); // Resumed
    expect(await gate()).toEqual({ sweep: true, live: true });
  });
});
