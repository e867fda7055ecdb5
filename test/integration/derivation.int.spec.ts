import { createHash } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Catalog, type CompiledDerivation, compilePlan, fingerprintInputs } from '@highwater/derivation';
import { type Plan, formatIssue, parsePlan } from '@highwater/plan';
import { type Access, type Database, openDatabase, readCatalogForPlan } from '@highwater/target-db';
import { type Family, createFamily, derive, family, planText } from '../support/derivation.js';
import { usePostgres } from '../support/stack.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const postgres = usePostgres();
let client: pg.Client;
let database: Database;
let access: Access;

beforeAll(async () => {
  const url = await postgres.freshDatabase('derivation');
  client = new pg.Client({ connectionString: url });
  await client.connect();
  database = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url } });
  access = database.ddl;
});
afterAll(async () => {
  await client?.end();
  await database?.close();
});

function planOf(source: string): Plan {
  const parsed = parsePlan(source, sha256);
  if ('issues' in parsed)
    throw new Error(parsed.issues.map((issue) => formatIssue(issue, source, 'plan.yaml')).join('\n'));
  return parsed.plan.plan;
}

async function compile(source: string): Promise<CompiledDerivation[]> {
  const plan = planOf(source);
  const catalog: Catalog = await readCatalogForPlan(access, plan);
  const compiled = compilePlan(plan, catalog);
  if ('issues' in compiled) throw new Error(JSON.stringify(compiled.issues, null, 1));
  return compiled.derivations;
}

const only = async (source: string): Promise<CompiledDerivation> => {
  const [first] = await compile(source);
  if (first === undefined) throw new Error('nothing compiled');
  return first;
};

/** `key → value or reason` of every row, by the compiled SQL. */
async function bySql({ table, key, expression, reason, branches }: CompiledDerivation): Promise<Map<string, unknown>> {
  const keys = key.map(({ ident }) => `r.${ident}::pg_catalog.text`).join(', ');
  const { rows } = await client.query<{ k: string[]; value: string | null; reason: string | null; branch: number }>(
    `select array[${keys}] as k, ${expression} as value, ${reason} as reason, ${branches.expression} as branch from ${table.ident} as r`,
  );
  // some way gave each value, and none where there is none
  for (const { value, branch } of rows)
    expect(branches.labels[branch ?? -1] === undefined, branches.labels.join()).toBe(value === null);
  return new Map(rows.map((row) => [JSON.stringify(row.k), { value: row.value, reason: row.reason }]));
}

/** `key → value` of every row, by the rule as joins; undefined when it is not given as joins. */
async function byJoin({ table, key, join }: CompiledDerivation): Promise<Map<string, unknown> | undefined> {
  if (join === undefined) return undefined;
  const keys = key.map(({ ident }) => `r.${ident}::pg_catalog.text`).join(', ');
  const of = async (text: string) => (await client.query<{ k: string[]; value: string | null }>(text)).rows;
  const found = await of(`select array[${keys}] as k, ${join.value} as value from ${table.ident} as r, ${join.from} where ${join.on}`); // prettier-ignore
  const all = new Map<string, unknown>(
    (await of(`select array[${keys}] as k from ${table.ident} as r`)).map(({ k }) => [JSON.stringify(k), null]),
  );
  if (new Set(found.map(({ k }) => JSON.stringify(k))).size !== found.length) throw new Error('a row was joined twice');
  for (const { k, value } of found) all.set(JSON.stringify(k), value);
  return all;
}

function byOracle({ tables }: Family, level: number): Map<string, unknown> {
  const table = tables[level];
  if (table === undefined) throw new Error('no such table');
  return new Map(
    table.rows.map((row) => {
      const derived = derive(tables, level, row, table.rule);
      return [
        JSON.stringify(row.key),
        'value' in derived ? { value: derived.value, reason: null } : { value: null, reason: derived.reason },
      ];
    }),
  );
}

/** What the target holds after every NULL was filled, by one UPDATE or by a BEFORE trigger. */
async function filled(
  { table, key, target, expression }: CompiledDerivation,
  how: 'update' | 'trigger',
): Promise<Map<string, unknown>> {
  const keys = key.map(({ ident }) => `r.${ident}::pg_catalog.text`).join(', ');
  if (how === 'update') {
    await client.query(
      `update ${table.ident} as r set ${target.ident} = ${expression} where r.${target.ident} is null`,
    );
  } else {
    await client.query(
      `create function pg_temp.fill() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as ${pg.escapeLiteral(
        `begin new.${target.ident} := (select ${expression} from (select new.*) as r); return new; end`,
      )}`,
    );
    await client.query(
      `create trigger "~fill" before update on ${table.ident} for each row when (new.${target.ident} is null) execute function pg_temp.fill()`,
    );
    await client.query(`update ${table.ident} as r set ${target.ident} = null`);
  }
  const { rows } = await client.query<{ k: string[]; value: string | null }>(
    `select array[${keys}] as k, r.${target.ident} as value from ${table.ident} as r`,
  );
  return new Map(rows.map((row) => [JSON.stringify(row.k), row.value]));
}

/** Runs in a transaction that is always rolled back. */
async function undone<T>(work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    return await work();
  } finally {
    await client.query('rollback');
  }
}

describe('the compiled rule', () => {
  it('gives what a row-by-row derivation gives, as look-ups and as joins, under any name, key, and NULL on any hop', async () => {
    const seen = new Set<unknown>();
    let joins = 0;
    await fc.assert(
      fc.asyncProperty(family, async (model) => {
        try {
          await createFamily(client, model);
          const derivations = await compile(planText(model));
          for (const [level, derivation] of derivations.entries()) {
            const expected = byOracle(model, level);
            expect(await bySql(derivation)).toEqual(expected);
            const joined = await byJoin(derivation);
            if (joined) {
              joins += 1;
              expect(joined).toEqual(new Map([...expected].map(([k, of]) => [k, (of as { value: unknown }).value])));
            }
            for (const derived of expected.values()) seen.add((derived as { reason: unknown }).reason);
          }
        } finally {
          await client.query('reset session_replication_role');
          await client.query(`drop schema if exists ${pg.escapeIdentifier(model.schema)} cascade`);
        }
      }),
      { numRuns: 150, seed: 20_260_112 },
    );
    expect(seen).toEqual(new Set([null, 'InputNull', 'ParentMissing']));
    expect(joins).toBeGreaterThan(50);
  });

  it('writes the same in a BEFORE trigger over (select new.*) as in an UPDATE', async () => {
    await fc.assert(
      fc.asyncProperty(family, async (model) => {
        try {
          await createFamily(client, model);
          const [derivation] = await compile(planText(model));
          if (derivation === undefined) throw new Error('nothing compiled');
          const expected = new Map(
            [...byOracle(model, 0)].map(([key, derived]) => [key, (derived as { value: unknown }).value]),
          );
          // On its own: a row updated twice in one transaction has its foreign keys checked again, and ours point nowhere.
          await client.query(`update ${derivation.table.ident} as r set ${derivation.target.ident} = null`);
          expect(await undone(() => filled(derivation, 'update'))).toEqual(expected);
          expect(await undone(() => filled(derivation, 'trigger'))).toEqual(expected);
        } finally {
          await client.query('reset session_replication_role');
          await client.query(`drop schema if exists ${pg.escapeIdentifier(model.schema)} cascade`);
        }
      }),
      { numRuns: 25, seed: 20_260_113 },
    );
  });

  it('is not moved by a hostile search path', async () => {
    await client.query(`create schema hostile;
      create function hostile.never(text, text) returns boolean language sql immutable as 'select false';
      create operator hostile.= (leftarg = text, rightarg = text, function = hostile.never);
      create domain hostile.text as pg_catalog.text check (value = 'nothing');
      create table public.p (id text primary key, v text); create table public.c (id text primary key, p text references public.p, w text);
      insert into p values ('1', 'right'); insert into c values ('a', '1'), ('b', null)`);
    const derivation = await only(
      "{ highwater: 1, migration: m, tables: [ { table: c, target: { column: w, type: text }, rule: { firstOf: [ { via: p, then: v }, { constant: 'last\\one' } ] } } ] }",
    );
    await client.query('set search_path = hostile, pg_catalog, public');
    const values = await bySql(derivation).finally(() => client.query('reset search_path'));
    expect([...values.values()]).toEqual([
      { value: 'right', reason: null },
      { value: 'last\\one', reason: null },
    ]);
  });

  it('compares keys and stores values across collations, domains and enums', async () => {
    await client.query(`create domain code as varchar(8); create type "Kind" as enum ('x', 'y');
      create table d_parent (a text collate "C", k "Kind", c code, v varchar(5) collate "C", unique (a), primary key (k, c));
      create table d_child (id int primary key, a text collate "POSIX", k "Kind", c code, foreign key (k, c) references d_parent (k, c), w text);
      insert into d_parent values ('1', 'x', 'q', 'one'), ('2', 'y', 'q', 'two');
      insert into d_child values (1, '2', null, 'q'), (2, null, 'x', 'q'), (3, '7', 'y', null)`);
    const derivation = await only(
      '{ highwater: 1, migration: m, tables: [ { table: d_child, target: { column: w, type: text }, rule: { firstOf: [ { via: a, to: d_parent(a), then: v }, { via: [c, k], then: v } ] } } ] }',
    );
    expect([...(await bySql(derivation)).values()]).toEqual([
      { value: 'two', reason: null },
      { value: 'one', reason: null },
      { value: null, reason: 'ParentMissing' },
    ]);
    const { rows } = await client.query(
      `select count(*) filter (where r.w is distinct from ${derivation.expression})::int as n from d_child as r`,
    );
    expect(rows).toEqual([{ n: 2 }]);
  });

  it('knows whether the parent of the coming foreign key exists, and of one the target already has', async () => {
    await client.query(`create table ws (id text primary key); insert into ws values ('w1');
      create table site (ws text, id int, primary key (ws, id)); insert into site values ('w1', 1);
      create table item (id int primary key, site int, src text, ws text, foreign key (ws, site) references site (ws, id));
      insert into item values (1, 1, 'w1'), (2, 2, 'w1'), (3, null, 'w1'), (4, null, 'w2')`);
    const derivation = await only(
      '{ highwater: 1, migration: m, tables: [ { table: item, target: { column: ws, type: text }, references: { table: ws }, rule: src } ] }',
    );
    const { rows } = await client.query(
      `select r.id, ${derivation.referentExists} as ok from item as r cross join lateral (select ${derivation.expression} as value) as v order by 1`,
    );
    expect(rows).toEqual([
      { id: 1, ok: true },
      { id: 2, ok: false },
      { id: 3, ok: true },
      { id: 4, ok: false },
    ]);
    expect(derivation.inputs.map(({ ident, columns }) => [ident, columns])).toEqual([
      ['public.ws', ['id']],
      ['public.site', ['id', 'ws']],
      ['public.item', ['site', 'src']],
    ]);
  });

  it('has a fingerprint that a renamed or retyped input changes and NOT NULL does not', async () => {
    await client.query('create table fp (id int primary key, src varchar(5), w text)');
    const source =
      '{ highwater: 1, migration: m, tables: [ { table: fp, target: { column: w, type: text }, rule: src } ] }';
    const before = fingerprintInputs(await compile(source));
    await client.query('alter table fp alter column w set not null, add column other int');
    expect(fingerprintInputs(await compile(source))).toBe(before);
    await client.query('alter table fp alter column src type varchar(9)');
    expect(fingerprintInputs(await compile(source))).not.toBe(before);
  });

  it('compiles against a column that the plan will add, and again once it is there', async () => {
    await client.query(
      'create table ad_p (id int primary key, src text); create table ad_c (id int primary key, p int references ad_p)',
    );
    const source =
      '{ highwater: 1, migration: m, defaults: { target: { column: "w\\"1", type: varchar, addColumn: true } }, tables: [ { table: ad_p, rule: src }, { table: ad_c, rule: { firstOf: [ { via: p, then: "w\\"1" }, { via: p } ] } } ] }';
    const before = await compile(source);
    await client.query('alter table ad_p add column "w""1" varchar; alter table ad_c add column "w""1" varchar');
    await client.query("insert into ad_p values (1, 's'), (2, null); insert into ad_c values (1, 1), (2, 2)");
    for (const derivation of [before[1], (await compile(source))[1]]) {
      if (derivation === undefined) throw new Error('nothing compiled');
      expect([...(await bySql(derivation)).values()]).toEqual([
        { value: 's', reason: null },
        { value: null, reason: 'InputNull' },
      ]);
    }
  });
});
