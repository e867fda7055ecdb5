import { expect, it } from 'vitest';
import { openDatabase } from '@highwater/target-db';
import type { ControlContext } from './control/context.js';
import { Workers } from './workers.js';

it('a database that is away for hours is said once, not at every look', async () => {
  const url = 'postgres://nobody@127.0.0.1:1/nowhere'; // refused at once
  const database = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url } });
  const said = { debug: 0, warn: 0 };
  const logger = { debug: () => (said.debug += 1), warn: () => (said.warn += 1) };
  const workers = new Workers({ database, logger } as unknown as ControlContext, new Set(), {
    onFatal: () => undefined,
  });
  workers.start();
  await expect.poll(() => said.debug + said.warn, { timeout: 20_000 }).toBeGreaterThan(3);
  await workers.stop();
  await database.close();
  expect(said.warn).toBe(1);
  expect(workers.reason).toMatch(/ECONNREFUSED/);
});
