import { expect, it } from 'vitest';
import { Ledger } from './ledger.js';
import type { Delivery } from './ledger.js';

const delivery = (sequence: number, changes: Record<string, string> = {}, value = '{"n":1}'): Delivery => ({
  key: 'm',
  headers: {
    ce_specversion: '1.0',
    ce_id: `migration-m/${sequence}`,
    ce_source: 'highwater',
    ce_type: 'dev.highwater.migration.planned.v1',
    ce_time: '2026-11-21T00:00:00Z',
    ce_subject: 'm',
    ce_sequence: String(sequence),
    ...changes,
  },
  value,
});

it('takes each event once, in order', () => {
  const ledger = new Ledger(() => undefined);
  expect(ledger.take(delivery(1))).toMatchObject({ sequence: 1, migration: 'm', data: { n: 1 } });
  expect(ledger.take(delivery(2))).toBeDefined();
  expect(ledger.take(delivery(1))).toBeUndefined();
  expect(ledger).toMatchObject({ events: 2, duplicates: 1, problems: [] });
});

it.each([
  ['a gap', delivery(2), 'sequence 2 where 1 was due'],
  ['a foreign key', { ...delivery(1), key: 'other' }, 'keyed by other'],
  ['no JSON', delivery(1, {}, 'x'), 'not a JSON object'],
  ['a missing header', delivery(1, { ce_time: '' }), 'without ce_time'],
])('notes %s', (_, wrong, problem) => {
  const ledger = new Ledger(() => undefined);
  ledger.take(wrong);
  expect(ledger.problems.join()).toContain(problem);
});

it('notes what the schema refuses', () => {
  const ledger = new Ledger((type) => `no schema for ${type}`);
  ledger.take(delivery(1));
  expect(ledger.problems[0]).toContain('no schema for dev.highwater.migration.planned.v1');
});
