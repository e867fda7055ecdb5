import { afterEach, describe, expect, it } from 'vitest';
import { blocking, runPreflight, type PreflightCheck } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

const postgres = usePostgres();
let prepared: Prepared | undefined;
afterEach(() => prepared?.close());

const schema = `
create type state as enum ('ACTIVE', 'LEFT');
create table membership (id int primary key, who text, team text, standing state);
create table entry (id int primary key, who text, w text, u uuid)`;

const planOf = (rule: string, target = '{ column: w, type: text }'): string =>
  `{ highwater: 1, migration: rules, stream: none, tables: [ { table: entry, notNull: false, target: ${target}, rule: ${rule} } ] }`;

const lookup = '{ lookup: membership, where: { who: who, standing: { constant: ACTIVE } }, take: team, pick: single }';

async function given(plan: string, rows = 'select'): Promise<Prepared> {
  prepared = await prepare(await postgres.freshDatabase(), schema, plan);
  await prepared.admin.query(rows);
  return prepared;
}

const named = (checks: readonly PreflightCheck[], name: string): PreflightCheck[] =>
  checks.filter(({ check }) => check === name);

describe('preflight of rules', () => {
  it.each([
    ['a constant that is no value of the target', planOf('{ constant: none }', '{ column: u, type: uuid }'), '22P02'],
    ['a mapped value that is none', planOf('{ map: who, values: { a: none } }', '{ column: u, type: uuid }'), '22P02'],
    ['a condition that is none', planOf(lookup.replace('ACTIVE', 'GONE')), '22P02'],
  ])('runs each rule once, and so meets %s', async (_what, plan, sqlstate) => {
    const failed = blocking(await runPreflight({ ...(await given(plan)) }));
    expect(failed.map(({ check, message }) => [check, message.includes(`(${sqlstate})`)])).toEqual([
      ['RuleRuns', true],
    ]);
  });

  it('warns of a look-up without an index, and wants it accepted once the table is large', async () => {
    const few = await given(planOf(lookup));
    const [small] = named(await runPreflight({ ...few }), 'LookupNotIndexed');
    expect(small).toMatchObject({ status: 'warn', fixSql: 'create index concurrently on public.membership (who)' });
    expect(small?.acceptable).toBeUndefined();
    await few.close();

    const many = await given(
      planOf(lookup),
      `insert into membership select i, 'u' || i, 't', 'ACTIVE' from generate_series(1, 20000) i; analyze membership`,
    );
    const [large] = named(await runPreflight({ ...many }), 'LookupNotIndexed');
    expect(large).toMatchObject({ status: 'fail', acceptable: true, table: 'public.membership' });
    expect(large?.message).toContain('each row costs a scan of about 20000 rows');
    await many.admin.query('create index on membership (team, who)');
    expect(named(await runPreflight({ ...many }), 'LookupNotIndexed')).toHaveLength(1);
    await many.admin.query('create index on membership (who)');
    const checks = await runPreflight({ ...many });
    expect([named(checks, 'LookupNotIndexed'), blocking(checks)]).toEqual([[], []]);
  });
});
