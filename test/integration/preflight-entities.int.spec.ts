import { afterEach, describe, expect, it } from 'vitest';
import {
  blocking,
  createEntities,
  ensurePlanIndex,
  installBridge,
  openGate,
  runPreflight,
  tableOfEntity,
  type PreflightCheck,
} from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

const postgres = usePostgres();
let prepared: Prepared | undefined;
afterEach(() => prepared?.close());

const schema = `
create table org (id text primary key, code text, seen date);
create table space (no serial unique, id text primary key, name text not null, kind text default 'team');
create table item (id int primary key, org_id text, space_id text)`;

const planOf = (key: string, more = ''): string => `
highwater: 1
migration: entities
stream: none
entities: [ { table: space, from: org, key: { id: ${key} }, values: { name: { constant: none } }, indexes: { space_name_idx: [name, id] } } ]
tables: [ { table: item, target: { column: space_id, type: text }, references: { table: space }, rule: org_id } ]
${more}`;

async function given(plan: string, edit?: (grants: string) => string): Promise<Prepared> {
  prepared = await prepare(await postgres.freshDatabase(), schema, plan, edit === undefined ? {} : { edit });
  return prepared;
}
const named = (checks: readonly PreflightCheck[], name: string): PreflightCheck[] =>
  checks.filter(({ check }) => check === name);
function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new Error('nothing there');
  return one;
}

describe('preflight of entities', () => {
  it('passes with exactly the printed grants, which suffice to make them, from a sequence too', async () => {
    const p = await given(planOf('id'));
    expect(blocking(await runPreflight(p))).toEqual([]);
    const entity = first(p.entities);
    await openGate(p.database.state, { migrationId: p.plan.migration, short: entity.short }, ['sweep']);
    await p.admin.query(`insert into org values ('o1')`);
    const page = { kind: 'after', after: null, limit: 10 } as const;
    expect(await createEntities(p.database.fill, entity, page, { rowBudgetMs: 200 }, 'sweep')).toMatchObject({
      made: 1,
    });
    await installBridge(
      p.database,
      first(p.targets),
      { mode: 'assign', reports: false },
      { lockBudgetMs: 5_000, lockAttempts: 5 },
    );
    await p.admin.query(`insert into org values ('o2'); insert into item values (1, 'o2')`);
    const { rows } = await p.admin.query<{ id: string }>('select id from space order by no');
    expect(rows.map(({ id }) => id)).toEqual(['o1', 'o2']);
    // and nothing else: no other column can be written, nothing of it changed or removed
    for (const forbidden of [
      `insert into public.space (id, name, kind) values ('x', 'x', 'x')`,
      `update public.space set name = ''`,
    ])
      await expect(p.database.fill.query('a forbidden write', forbidden)).rejects.toMatchObject({ code: '42501' });
  });

  it('names each privilege that is missing, with the grant', async () => {
    const p = await given(planOf('id'), (grants) =>
      grants
        .replace(/grant insert \(id, name\)[^;]*_fill;/, '')
        .replace(/grant usage on sequence[^;]*_bridge;/, '')
        .replace(/grant select \([^)]*\) on table public.org to [^;]*_bridge;/, ''),
    );
    const missing = named(await runPreflight(p), 'Grant').map(({ message, fixSql }) => [
      message.replace(/ \(.*?\)/, ''),
      fixSql?.replace(/ to .*/, ''),
    ]);
    expect(missing).toContainEqual([
      'access role fill lacks insert on column "name" of public.space',
      'grant insert (name) on table public.space',
    ]);
    expect(missing).toContainEqual([
      'access role bridge lacks usage on the sequence of column "no"',
      'grant usage on sequence public.space_no_seq',
    ]);
    expect(missing).toContainEqual([
      'access role bridge lacks select on column "id" of public.org',
      'grant select (id) on table public.org',
    ]);
    await expect(
      installBridge(
        p.database,
        first(p.targets),
        { mode: 'assign', reports: false },
        { lockBudgetMs: 5_000, lockAttempts: 5 },
      ),
    ).rejects.toMatchObject({ code: 'HW5011' });
  });

  it('wants triggers of the table, and rows whose entity the bridge cannot make, accepted by name', async () => {
    const p = await given(planOf('{ template: "s-{id}" }'));
    await p.admin.query(`create function f() returns trigger language plpgsql as 'begin return new; end';
      create trigger noisy before insert on space for each row execute function f(); create index space_name_idx on org (code)`);
    const failed = blocking(await runPreflight(p));
    expect(failed.map(({ check, table, acceptable }) => [check, table, acceptable])).toEqual([
      ['EntityTrigger', 'public.space', true],
      ['IndexName', 'public.space', undefined],
      ['EntityNotBridged', 'public.item', true],
    ]);
    expect(failed[0]?.message).toContain('noisy');
    await p.admin.query('drop index space_name_idx');
    const accepting = { ...p, plan: { ...p.plan, accept: ['EntityTrigger', 'EntityNotBridged'] } };
    expect(blocking(await runPreflight(accepting))).toEqual([]);
  });

  it('refuses row level security that would hide sources or entities, and rewrite rules', async () => {
    const p = await given(planOf('id'));
    await p.admin.query(
      `alter table org enable row level security; create rule r as on insert to space do also nothing`,
    );
    const failed = blocking(await runPreflight(p));
    expect(new Set(failed.map(({ check, table }) => `${check} ${table ?? ''}`))).toEqual(
      new Set(['RowLevelSecurity public.org', 'RewriteRule public.space']),
    );
  });

  it("builds an entity's indexes like those of a target, and finds them built", async () => {
    const p = await given(planOf('id'));
    const index = { name: 'space_name_idx', columns: ['name', 'id'] };
    const budget = { lockBudgetMs: 5_000, lockAttempts: 5 };
    const table = tableOfEntity(first(p.entities));
    expect(await ensurePlanIndex(p.database, table, index, budget)).toBe('built');
    expect(await ensurePlanIndex(p.database, table, index, budget)).toBe('adopted');
    const { rows } = await p.admin.query<{ valid: boolean; definition: string }>(
      `select indisvalid as valid, pg_get_indexdef(indexrelid) as definition from pg_index where indexrelid = 'space_name_idx'::regclass`,
    );
    expect(rows).toEqual([
      { valid: true, definition: 'CREATE INDEX space_name_idx ON public.space USING btree (name, id)' },
    ]);
  });
});
