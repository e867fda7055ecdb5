import { expect, it } from 'vitest';
import type { Ident } from '@highwater/derivation';
import type { LockBlocker } from '../blockers/blockers.js';
import { lockNotObtained } from './lock-not-obtained.js';

const step = { name: 'guard', table: 'public."Group"' as Ident, lockMode: 'ACCESS EXCLUSIVE' } as const;
const dump: LockBlocker = {
  pid: 7,
  applicationName: 'pg_dump',
  userName: 'backup',
  kind: 'session',
  wraparound: false,
  gid: null,
  since: '2026-01-01T00:00:00Z',
  ageMs: 61_000,
  state: 'active',
  table: 'public."Group"',
  mode: 'AccessShareLock',
  granted: true,
};
const who = 'pid 7 "pg_dump" (backup) holds AccessShareLock on public."Group" for 61.0 s, active';

it.each([
  [{ asked: 3, unasked: 0 }, '3 attempts of 500 ms'],
  [{ asked: 0, unasked: 3 }, '3 attempts given up unasked, behind an older transaction'],
  [{ asked: 1, unasked: 2 }, '1 attempts of 500 ms and 2 attempts given up unasked, behind an older transaction'],
])('says of %j how often the lock was asked for, and how often it was not', (attempts, tried) => {
  const error = lockNotObtained(step, 500, attempts, [dump], undefined);
  expect(error.message).toBe(`step guard on public."Group": ACCESS EXCLUSIVE lock not obtained in ${tried}; ${who}`);
  expect(error.context).toMatchObject({ attempts: attempts.asked, attemptsUnasked: attempts.unasked, blockers: [who] });
});

it('names the step itself when nobody was seen, and an autovacuum as the reason when there is one', () => {
  const attempts = { asked: 1, unasked: 0 };
  expect(lockNotObtained(step, 500, attempts, [], undefined).message).toMatch(/attempts of 500 ms; nobody was seen/);
  const vacuum: LockBlocker = { ...dump, kind: 'autovacuum' };
  expect(lockNotObtained(step, 500, attempts, [vacuum], undefined).context['reason']).toBe('AutovacuumRunning');
});
