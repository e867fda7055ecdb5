import { expect, it } from 'vitest';
import { emptyTally } from './application/tally.js';
import type { ApplicationLine } from './application/main.js';
import { reportPage } from './page.js';
import { report } from './report.js';
import type { Facts } from './report.js';

const waits = { count: 10, p50: 1, p99: 2, worst: 3 };
const application = (version: 'old' | 'new', tally: Partial<ApplicationLine['tally']> = {}): ApplicationLine => ({
  ...{ kind: 'final', version, probe: { insert: waits, update: waits } },
  tally: { ...emptyTally(), transactions: 7, ...tally },
});

const right: Facts = {
  streaming: true,
  serverVersion: '17.2',
  tables: ['Group', 'Export'],
  mayHaveNone: ['Export'],
  seed: [],
  control: application('old'),
  listed: {
    rows: new Map([
      ['Group InputNull', 5],
      ['Export InputNull', 2],
      ['Workspace UniqueConflict Workspace_slug_key', 1],
    ]),
    told: [],
    moved: 1,
    mismatches: 1,
    refusal: { answer: '422 HW6011: not ready', precheck: '5 rows of public.Group have no workspaceId' },
  },
  forecast: {
    kept: true,
    tables: [
      {
        ...{
          table: 'public.Group',
          sampledPercent: null,
          rowsSeen: 20,
          filled: 14,
          notes: [],
        },
        unfillable: [
          { reason: 'InputNull', rows: 3 },
          { reason: 'UniqueConflict', rows: 1 },
        ],
        outcome: { filled: 15, unfillable: 5 },
      },
    ],
  },
  unenforced: [],
  asserted: [{ name: 'orphans', found: 0 }],
  restricted: [
    {
      ...{ table: '"Group"', policy: 'apart', early: false, withoutTenant: 0, tenants: [{ rows: 9, others: 0 }] },
      foretold: { total: 9, tenants: 1, seenByNobody: 0, largest: [{ tenant: 'w1' }] },
    },
  ],
  old: application('old'),
  now: application('new'),
  status: {
    ...{ phase: 'finished', stream: 'open', hints: {}, leftovers: [], rowSecurity: null, statusLine: '' },
    tables: [
      { table: 'public.Group', filled: { sweep: 9, live: 5, tailPass: 1 }, unfillable: 0, enforced: true },
      { table: 'public.Export', filled: { sweep: 9, live: 5, tailPass: 1 }, unfillable: 2, enforced: false },
    ],
    bridge: [{ applicationName: 'application', outcome: 'resolved', statements: '7' }],
    ddlSteps: [
      { table: 'public.Group', step: 'guard', lockMode: 'ACCESS EXCLUSIVE', attempts: 1, lockWaitMs: 2, heldMs: 1 },
    ],
  },
  published: { kind: 'final', events: 9, duplicates: 0, byType: {}, problems: [] },
  end: {
    tables: [{ table: 'Group', rows: 9, nulls: 0, wrong: 0 }],
    standing: [{ what: 'NOT NULL on Group', holds: true }],
    leftovers: { triggers: [], constraints: [], indexes: [], publications: [], slots: [] },
  },
  sizes: { before: [], after: [] },
  sweep: { rows: 18, ms: 10 },
  left: [],
  exported: [{ form: 'sql', differences: [], back: [] }],
  rollback: {
    kept: ['1 rows of "Workspace": referred to or changed by now'],
    catalog: [],
    rows: [],
    entities: [{ table: 'Workspace', made: 3, kept: 1, idle: 0 }],
    afterwards: application('old'),
  },
  next: ['generate anew', 'restart'],
};

const wrongLines = (facts: Facts): string[] =>
  report(facts)
    .filter(({ wrong }) => wrong)
    .map(({ text }) => text);

it('has no wrong line when everything is as it should be', () => {
  expect(wrongLines(right)).toEqual([]);
});

it.each<[string, Partial<Facts>]>([
  ['seed ', { seed: ['Group InputNull: 4 where 5 are expected'] }],
  ['bad rows by hand', { listed: { ...right.listed, told: ['Group InputNull: 4 where 5 are expected'] } }],
  ['moved after fill', { listed: { ...right.listed, mismatches: 0 } }],
  ['cutover with them', { listed: { ...right.listed, refusal: undefined } }],
  ['pre-check', { listed: { ...right.listed, refusal: { answer: 'no', precheck: '4 rows of public.Group have' } } }],
  ['rows filled by', { status: { ...right.status, bridge: [] } }],
  ['forecast', { forecast: { ...right.forecast, kept: false } }],
  ['emergency exit', { unenforced: ['NOT NULL on Group'] }],
  ['assertion', { asserted: [{ name: 'orphans', found: 1 }] }],
  ['assertion', { asserted: [{ name: 'orphans', found: null }] }],
  ['row security', { restricted: right.restricted.map((one) => ({ ...one, early: true })) }],
  ['tenants apart', { restricted: right.restricted.map((one) => ({ ...one, withoutTenant: 9 })) }],
  ['tenants apart', { restricted: right.restricted.map((one) => ({ ...one, tenants: [{ rows: 9, others: 1 }] })) }],
  ['tenants apart', { restricted: right.restricted.map((one) => ({ ...one, tenants: [] })) }],
  ['old application', { old: application('old', { errors: { '23502': 1 } }) }],
  ['new application', { now: application('new', { transactions: 0 }) }],
  ['application', { now: undefined }],
  ['oracle Group', { end: { ...right.end, tables: [{ table: 'Group', rows: 9, nulls: 1, wrong: 1 }] } }],
  ['missing', { end: { ...right.end, standing: [{ what: 'NOT NULL on Group', holds: false }] } }],
  ['left behind', { left: ['topic highwater.x.hints'] }],
  ['export sql', { exported: [{ form: 'sql', differences: ['index g is gone: x'], back: [] }] }],
  ['export knex', { exported: [{ form: 'knex', differences: [], back: ['index g is there and was not: x'] }] }],
  ['rollback', { rollback: { ...right.rollback, catalog: ['column Group.workspaceId is gone: text'] } }],
  ['rows changed', { rollback: { ...right.rollback, rows: ['Group: 9 rows before, 8 after'] } }],
  [
    'made Workspace',
    { rollback: { ...right.rollback, entities: [{ table: 'Workspace', made: 3, kept: 2, idle: 1 }] } },
  ],
  [
    'old version again',
    { rollback: { ...right.rollback, afterwards: application('old', { errors: { '42703': 2 } }) } },
  ],
])('says that the line %j is wrong', (start, difference) => {
  const wrong = wrongLines({ ...right, ...difference });
  expect(wrong.some((text) => text.startsWith(start))).toBe(true);
});

it('is written as a page with the machine, what was seen, and whether all of it was right', () => {
  const of = { name: 'a-team', rows: 5_000, writers: 3, rate: 100, seed: 1, seconds: 61.2, right: true };
  const page = reportPage(right, of);
  for (const text of [
    '# a-team: one run with 5,000 rows',
    'PostgreSQL 17.2',
    '| Group | 14 | 15 | 4 | 5 |',
    '| Group | guard | ACCESS EXCLUSIVE | 1.0 | 2.0 | 1 |',
  ])
    expect(page).toContain(text);
  expect(reportPage(right, { ...of, right: false })).toContain('**not every line of its report right**');
});
