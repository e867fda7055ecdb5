import { expect, it } from 'vitest';
import type { ApplicationLine } from '../application/main.js';
import { emptyTally } from '../application/tally.js';
import { report } from './report.js';
import type { ReportFacts } from './report.js';

const waits = { count: 10, p50: 1, p99: 2, worst: 3 };
const application = (version: 'old' | 'new', tally: Partial<ApplicationLine['tally']> = {}): ApplicationLine => ({
  kind: 'final',
  at: '2026-01-01T00:00:00.000Z',
  version,
  phase: 1,
  rowsPerSecond: 100,
  tally: { ...emptyTally(), ...tally },
  probe: { insert: waits, update: waits },
});

const right: ReportFacts = {
  control: application('old'),
  old: application('old', { inserted: 100 }),
  now: application('new', { inserted: 50, copied: 20, organizations: 2 }),
  latency: { ...waits, problems: [] },
  status: {
    phase: 'finished',
    stream: 'open',
    tables: [{ table: 'public.Group', filled: { sweep: 9, live: 5, tailPass: 1 }, unfillable: 0, enforced: true }],
    hints: { already: 1, filled: 5, deadLetter: 0 },
    bridge: [{ applicationName: 'application', outcome: 'resolved', statements: '7' }],
    ddlSteps: [
      { table: 'public.Group', step: 'guard', lockMode: 'ACCESS EXCLUSIVE', attempts: 1, lockWaitMs: 2, heldMs: 1 },
    ],
    leftovers: [],
    statusLine: '',
  },
  published: { kind: 'final', events: 20, duplicates: 1, byType: {}, problems: [] },
  sizes: {
    before: [{ table: 'Group', heapBytes: 1_048_576, totalBytes: 2_097_152 }],
    after: [{ table: 'Group', heapBytes: 2_097_152, totalBytes: 3_145_728 }],
  },
  sweep: { rows: 9_000, ms: 500 },
  tables: [{ table: 'Group', rows: 10, nulls: 0, wrong: 0 }],
  missing: [],
  left: { triggers: [], constraints: [], indexes: [], publications: [], slots: [], topics: [], reported: [] },
};

it('says where every row came from, what it cost and what is left', () => {
  const lines = report(right);
  expect(lines.filter(({ wrong }) => wrong)).toEqual([]);
  const text = lines.map((line) => line.text).join('\n');
  expect(text).toContain('sweep 9 · live fill 5 · tail pass 1 · bridge 7 · application itself 66');
  expect(text).toContain('parked 0 · filled 5 · already 1');
  expect(text).toContain('18,000 rows/s');
  expect(text).toContain('1.0 MiB → 2.0 MiB (100 %)');
  expect(text).toMatch(/Group +guard +ACCESS EXCLUSIVE +held 1.0 ms, waited 2.0 ms, attempt 1/);
  expect(text).toMatch(/left behind +none/);
});

const status = (change: Partial<ReportFacts['status']>): Partial<ReportFacts> => ({
  status: { ...right.status, ...change },
});

it.each<[string, Partial<ReportFacts>, string]>([
  ['an application error', { old: application('old', { errors: { '23505': 2 } }) }, 'errors 2 (23505 × 2'],
  ['an error of the new version', { now: application('new', { errors: { '23502': 1 } }) }, 'new application'],
  ['no new version at all', { now: undefined }, 'its new version printed no final line'],
  ['a NULL left', { tables: [{ table: 'Group', rows: 10, nulls: 1, wrong: 1 }] }, 'oracle Group'],
  ['a wrong value', { tables: [{ table: 'Group', rows: 10, nulls: 0, wrong: 1 }] }, 'oracle Group'],
  ['a slot left', { left: { ...right.left, slots: ['hw_01234567'] } }, 'slots: hw_01234567'],
  ['a topic left', { left: { ...right.left, topics: ['highwater.m.hints'] } }, 'topics: highwater.m.hints'],
  ['no NOT NULL', { missing: ['NOT NULL on Group'] }, 'NOT NULL on Group'],
  [
    'an event out of order',
    { published: { ...right.published, problems: ['sequence 3 where 2 was due'] } },
    'sequence 3',
  ],
  ['nothing measured before the bridge', { latency: { ...right.latency, count: 0 } }, 'not measured'],
  ['a dead letter', status({ hints: { filled: 5, deadLetter: 1 } }), 'deadLetter 1'],
  [
    'a bridged row without a value',
    status({ bridge: [{ applicationName: 'a', outcome: 'left_null', statements: '1' }] }),
    'left without a value 1',
  ],
  [
    'an idle live fill',
    status({
      tables: [{ table: 'public.Group', filled: { sweep: 9, live: 0, tailPass: 6 }, unfillable: 0, enforced: true }],
    }),
    'live fill 0',
  ],
])('names the line that is wrong: %s', (_, change, text) => {
  const wrong = report({ ...right, ...change }).filter((line) => line.wrong);
  expect(wrong).toHaveLength(1);
  expect(wrong[0]?.text).toContain(text);
});
