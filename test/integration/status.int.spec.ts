import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '@highwater/telemetry';
import { createEngine, type Engine, type MigrationStatusView, type Settings } from '@highwater/roles';
import { quickPlan, startRun, streamPlan, type Run } from '../support/engine-run.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { stopEngine } from '../support/stop-engine.js';

const by = { actor: { name: 'rosa', method: 'header' as const } };

describe('the status of a migration', () => {
  const postgres = usePostgres();
  let run: Run;
  let second: Engine | undefined;
  afterEach(async () => {
    if (second) await stopEngine(second);
    second = undefined;
    await run.close();
  });
  const status = async <T>(
    what: string,
    of: (status: MigrationStatusView) => T | false | undefined,
    engine = run.engine,
  ): Promise<T> =>
    waitFor(what, async () => of(await engine.control.get(run.id)), {
      describe: async () => (await engine.control.get(run.id)).statusLine,
    });

  it('tells the lag by the fence, not by the WAL that an open transaction makes the slot keep', async () => {
    run = await startRun(await postgres.freshDatabase('lag'), streamPlan('lag'), { kafka: true });
    await run.until('bridged');
    const writer = await run.client('app');
    await writer.query('create table noise (t text)');
    const idle = await run.client('report');
    await idle.query(`begin; insert into noise values ('open')`);
    await writer.query(`insert into noise select repeat('x', 1000) from generate_series(1, 5000)`);
    const seen = await status('a slot that keeps 4 MB, all of it acknowledged but the last moments', (now) =>
      now.slot && now.slot.retainedBytes > 4_000_000 && now.lag && now.lag.seconds !== null && now.lag.bytes < 1_000_000
        ? now
        : undefined,
    );
    expect(seen.statusLine).toMatch(/lag [\d.]+ (B|KiB)\/[\d.]+s/);
    // the open transaction keeps what is written: it grows, and the plan's limit is in sight
    await writer.query(`insert into noise select repeat('x', 1000) from generate_series(1, 5000)`);
    const filling = await status(
      'the time until the slot is lost',
      ({ slot }) => slot !== null && slot.lostInMs !== null && slot,
    );
    expect(filling.bytesPerSecond).toBeGreaterThan(0);
    const left = (filling.limitBytes - filling.retainedBytes) / (filling.bytesPerSecond ?? 0);
    expect(filling.lostInMs).toBeLessThan(left * 1_100);
    expect(filling.lostInMs).toBeGreaterThan(left * 900);
    expect(filling.percent).toBe(Math.floor((filling.retainedBytes / filling.limitBytes) * 100));
    const fence = await status('a fence that came back', (now) => now.fence?.roundTripMs !== null && now.fence);
    expect(fence).toMatchObject({ partitions: 4, reached: 4 });
    for (const doing of ['relay streaming', 'filler consuming'])
      await status(doing, (now) => now.workers.some((worker) => `${worker.role} ${worker.state}` === doing));
    await idle.query('rollback');
  });

  it('shows limits and chunk size in use from the next chunk on, and where a second process found it', async () => {
    let settings: Settings | undefined;
    run = await startRun(await postgres.freshDatabase('resumed'), quickPlan('resumed'), {
      change: (given) => (settings = given),
    });
    await run.until('bridged');
    expect((await run.engine.control.get(run.id)).resumedFrom).toBeNull();
    await run.engine.control.setLimits(run.id, { chunkRowsMax: 7 }, by);
    const changed = await status(
      'the chunk size to follow',
      (now) => now.chunkRows !== null && now.chunkRows <= 7 && now,
    );
    expect(changed.limits['chunkRowsMax']).toBe(7);
    await stopEngine(run.engine);
    if (!settings) throw new Error('the run has no settings');
    second = await createEngine(settings, createLogger({ name: 'second', level: 'error' }));
    await second.start(settings.roles);
    const { position } = await status('the second process to look', (now) => now.resumedFrom ?? undefined, second);
    expect(position).toMatch(/^bridged: 209 rows and \d+ ranges swept$/);
    expect((await second.control.events(run.id, 0, 500)).filter((event) => event.type === 'SweepStarted')).toHaveLength(
      1,
    );
  });
});
