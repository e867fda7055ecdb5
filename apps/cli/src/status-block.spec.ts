import { expect, it } from 'vitest';
import type { MigrationStatusView } from '@highwater/roles';
import { statusBlock } from './status-block.js';

const status = {
  id: 'm',
  phase: 'sweeping',
  pause: 'running',
  stream: 'open',
  epoch: 1,
  tables: [],
  entities: [],
  workers: [],
  bridge: [],
  undone: [],
  kept: [],
  hints: {},
  progress: { percent: 1, rowsDone: 1, rowsExpected: 100 },
  eta: null,
  throttled: null,
  resumedFrom: null,
  reason: { code: 'Sweeping', message: 'ranges', since: '' },
  fence: null,
  lag: null,
  cutover: { start: 'manual', attempts: 0, held: null, lastFailure: null },
  rowSecurity: null,
  limits: {},
  outcome: null,
  backup: null,
  statusLine: '',
  evaluatedAt: '',
} as unknown as MigrationStatusView;
const slot = { retainedBytes: 6 << 20, limitBytes: 10 << 20, percent: 60, active: true, alarm: null };

it.each([
  [{ bytesPerSecond: 1 << 20, lostInMs: 4_000 }, '6.0 MiB of 10.0 MiB (60%), +1.0 MiB/s, lost in 4s at that rate, active'],
  [{ bytesPerSecond: -2048, lostInMs: null }, '6.0 MiB of 10.0 MiB (60%), -2.0 KiB/s, not growing, active'],
  [{ bytesPerSecond: 0, lostInMs: null }, '6.0 MiB of 10.0 MiB (60%), +0 B/s, not growing, active'],
  [{ bytesPerSecond: 2048, lostInMs: null }, '6.0 MiB of 10.0 MiB (60%), +2.0 KiB/s, time until lost unknown, active'],
  [{ bytesPerSecond: null, lostInMs: null }, '6.0 MiB of 10.0 MiB (60%), growth unknown, time until lost unknown, active'],
])('says of the slot how full it is, how fast it fills and when it is lost: %j', (rate, said) => {
  expect(statusBlock({ ...status, slot: { ...slot, ...rate } })).toContain(`slot       ${said}\n`);
}); // prettier-ignore
