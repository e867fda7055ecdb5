import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CompiledDerivation, compilePlan } from '@highwater/derivation';
import { parsePlan } from '@highwater/plan';
import {
  type Database,
  fingerprintDifference,
  footprintOf,
  openDatabase,
  printGrants,
  readCatalogForPlan,
  readFingerprint,
} from '@highwater/target-db';
import { usePostgres } from '../support/stack.js';

const postgres = usePostgres();
let client: pg.Client;
let database: Database;

beforeAll(async () => {
  const url = await postgres.freshDatabase('kinds');
  client = new pg.Client({ connectionString: url });
  await client.connect();
  const urls = { stream: url, fill: url, state: url, ddl: url };
  database = openDatabase({ urls, allowedFunctions: ['label', 'label_of'] });
});
afterAll(async () => {
  await client?.end();
  await database?.close();
});

interface Target {
  readonly table: string;
  readonly type?: string;
  readonly addColumn?: boolean;
}

async function compile({ table, type = 'text', addColumn = false }: Target, rule: string) {
  const source = `{ highwater: 1, migration: m, tables: [ { table: ${table}, target: { column: w, type: ${type}, addColumn: ${addColumn} }, rule: ${rule} } ] }`;
  const parsed = parsePlan(source, () => 'hash');
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues, null, 1));
  const { plan } = parsed.plan;
  return compilePlan(plan, await readCatalogForPlan(database.ddl, plan));
}

async function compiled(target: Target, rule: string): Promise<CompiledDerivation> {
  const result = await compile(target, rule);
  if ('issues' in result) throw new Error(JSON.stringify(result.issues, null, 1));
  const [derivation] = result.derivations;
  if (derivation === undefined) throw new Error('nothing compiled');
  return derivation;
}

const issuesOf = async (target: Target, rule: string): Promise<string[]> => {
  const result = await compile(target, rule);
  return 'issues' in result ? result.issues.map(({ code, path, message }) => `${code} ${path} ${message}`) : [];
};

/** Value, or reason in angle brackets, of each row in the order of its key. */
async function outcomes({ table, expression, reason }: CompiledDerivation): Promise<(string | null)[]> {
  const { rows } = await client.query<{ outcome: string | null }>(
    `select coalesce((${expression})::pg_catalog.text, pg_catalog.concat('<', ${reason}, '>')) as outcome from ${table.ident} as r order by r.id`,
  );
  return rows.map(({ outcome }) => outcome);
}

describe('a rule of any kind', () => {
  it('is not moved by a hostile search path', async () => {
    await client.query(`
      create table member (id int primary key, who text, team text, rank int);
      create table entry (id int primary key, who text, mail text, tier text, w text);
      insert into member values (1, 'a', 'x', 2), (2, 'a', 'x', 1), (3, 'b', 'x', 1), (4, 'b', 'y', 2);
      insert into entry values (1, 'a', 'me@x', 'free'), (2, 'b', '@x', 'odd'), (3, 'c', null, null), (4, null, 'you@x', 'paid');
      create function label(text) returns text immutable strict language sql as $$ select upper($1) $$`);
    const target = { table: 'entry' };
    const rules = [
      ['{ lookup: member, where: { who: who }, take: team, pick: single }', ['x', '<Ambiguous>', '<NoMatch>', '<InputNull>']],
      ['{ lookup: member, where: { who: who, rank: { constant: 2 } }, take: team, pick: { first: { by: rank, order: desc } } }', ['x', 'y', '<NoMatch>', '<InputNull>']],
      ['{ template: "{mail|before:@}-{mail|hash:4}" }', ['me-8b4d', '<InputNull>', '<InputNull>', 'you-0f3e']],
      ['{ map: tier, values: { free: basic, paid: pro } }', ['basic', '<NotMapped>', '<InputNull>', 'pro']],
      ['{ function: label, arguments: [who] }', ['A', 'B', 'C', '<InputNull>']],
    ] as const; // prettier-ignore
    const derivations = await Promise.all(rules.map(([rule]) => compiled(target, rule)));
    await client.query(`create schema hostile;
      create function hostile.other(text, text) returns text language sql immutable as 'select pg_catalog.concat($1, $2, $1)';
      create operator hostile.|| (leftarg = text, rightarg = text, function = hostile.other);
      create function hostile.never(text, text) returns boolean language sql immutable as 'select false';
      create operator hostile.= (leftarg = text, rightarg = text, function = hostile.never);
      create function hostile.never(int, int) returns boolean language sql immutable as 'select false';
      create operator hostile.= (leftarg = int, rightarg = int, function = hostile.never);
      create operator hostile.> (leftarg = int, rightarg = int, function = hostile.never);
      create function hostile.never(bigint, int) returns boolean language sql immutable as 'select false';
      create operator hostile.= (leftarg = bigint, rightarg = int, function = hostile.never);
      create function hostile.strpos(text, text) returns int language sql immutable as 'select 0';
      create function hostile.left(text, int) returns text language sql immutable as $$ select 'hijacked' $$;
      create function hostile.label(text) returns text language sql immutable as $$ select 'hijacked' $$;
      create function hostile.encode(bytea, text) returns text language sql immutable as $$ select 'hijacked' $$;
      create function hostile.array_position(text[], text) returns int language sql immutable as 'select 1';
      create domain hostile.text as pg_catalog.text check (value = 'nothing')`);
    await client.query('set search_path = hostile, pg_catalog, public');
    try {
      for (const [i, [rule, expected]] of rules.entries())
        expect([rule, await outcomes(derivations[i] as CompiledDerivation)]).toEqual([rule, expected]);
    } finally {
      await client.query('reset search_path; drop schema hostile cascade');
    }
  });

  it('finds rows that agree on a value in two spellings to agree, and always writes the same one', async () => {
    await client.query(`create table price (id int primary key, item int, net numeric);
      create table sale (id int primary key, item int, w numeric);
      insert into price values (1, 1, 1.00), (2, 1, 1.0), (3, 2, 2.5), (4, 2, 2.51), (5, 3, null);
      insert into sale values (1, 1), (2, 2), (3, 3), (4, 4)`);
    const single = await compiled(
      { table: 'sale', type: 'numeric' },
      '{ lookup: price, where: { item: item }, take: net, pick: single }',
    );
    expect(await outcomes(single)).toEqual(['1.0', '<Ambiguous>', '<InputNull>', '<NoMatch>']);
    await client.query('update price set net = net where id = 1; update price set net = net + 0 where id = 2');
    expect(await outcomes(single)).toEqual(['1.0', '<Ambiguous>', '<InputNull>', '<NoMatch>']);
  });

  it('breaks ties of an order by the key, whatever the order of the rows on disk, and puts NULL last', async () => {
    await client.query(`create table visit (id int primary key, who text, at timestamptz, place text);
      create table guest (id int primary key, who text, w text);
      insert into visit values (2, 'a', '2026-01-01', 'two'), (1, 'a', '2026-01-01', 'one'), (3, 'b', null, 'three'), (4, 'b', '2026-01-01', null), (5, 'b', '2026-01-02', 'five');
      insert into guest values (1, 'a'), (2, 'b')`);
    for (const order of ['asc', 'desc']) {
      const first = await compiled(
        { table: 'guest' },
        `{ lookup: visit, where: { who: who }, take: place, pick: { first: { by: at, order: ${order} } } }`,
      );
      expect(await outcomes(first)).toEqual(['one', 'five']);
      await client.query('update visit set place = place where id = 1');
      expect(await outcomes(first)).toEqual(['one', 'five']);
    }
  });

  it('takes text of enums, citext and domains over plain types, and of nothing that a session writes otherwise', async () => {
    await client.query(`create extension citext; create type mood as enum ('up', 'down'); create domain code as varchar(4); create domain day as date;
      create table plain (id int primary key, m mood, c citext, d code, b boolean, f char(3), at date, dd day, fl real, ts timestamptz, by bytea, ar text[], js jsonb, w text);
      insert into plain values (1, 'down', 'Ab', 'q', true, 'x')`);
    const target = { table: 'plain' };
    expect(await outcomes(await compiled(target, '{ template: "{m}/{c}/{d}/{b}/{f}" }'))).toEqual(['down/Ab/q/true/x']);
    expect(await outcomes(await compiled(target, '{ map: c, values: { ab: no, Ab: exact } }'))).toEqual(['exact']);
    for (const column of ['at', 'dd', 'fl', 'ts', 'by', 'ar', 'js']) {
      expect(await issuesOf(target, `{ template: "{${column}}" }`)).toEqual([
        expect.stringMatching(
          /^HW1108 tables\[0\]\.rule\.template column .* whose text depends on a session's settings$/,
        ),
      ]);
      expect(await issuesOf(target, `{ map: ${column}, values: { a: b } }`)).toEqual([
        expect.stringMatching(
          /^HW1108 tables\[0\]\.rule\.map\.column column .* whose text depends on a session's settings$/,
        ),
      ]);
    }
  });

  it('gives values of the type and collation of a target that the plan adds', async () => {
    await client.query(`create table team (id int primary key, who text collate "C", name text collate "POSIX");
      create table player (id int primary key, who text collate "POSIX");
      insert into team values (1, 'a', 'x'), (2, 'a', 'x'), (3, 'b', 'y'); insert into player values (1, 'a'), (2, 'b')`);
    const rule =
      '{ firstOf: [ { lookup: team, where: { who: who, name: { constant: x } }, then: { firstOf: [ name, { constant: z } ] }, pick: single }, { template: "t-{who}" } ] }';
    const planned = await compiled({ table: 'player', addColumn: true }, rule);
    expect(await outcomes(planned)).toEqual(['x', 't-b']);
    await client.query('alter table player add column w text');
    expect(await outcomes(await compiled({ table: 'player' }, rule))).toEqual(['x', 't-b']);
  });
});

describe('a function', () => {
  beforeEach(() =>
    client.query(`drop table if exists thing; drop function if exists label_of(text), label_of(varchar), label(text);
      create table thing (id int primary key, code varchar(4), w text); insert into thing values (1, 'a');
      create function label(text) returns text immutable strict language sql as $$ select upper($1) $$;
      create function label_of(text) returns text stable strict language sql as $$ select 'right ' || $1 $$`),
  );

  it('is the one that was found when the plan was compiled, whatever overloads come later', async () => {
    const derivation = await compiled({ table: 'thing' }, '{ function: label_of, arguments: [code] }');
    await client.query(
      `create function label_of(varchar) returns text stable strict language sql as $$ select 'hijacked' $$`,
    );
    expect(await outcomes(derivation)).toEqual(['right a']);
    expect(await issuesOf({ table: 'thing' }, '{ function: label_of, arguments: [code] }')).toEqual([
      'HW1120 tables[0].rule.function several functions label_of take 1 argument(s)',
    ]);
    const named = await compiled({ table: 'thing' }, '{ function: label_of(text), arguments: [code] }');
    expect(await outcomes(named)).toEqual(['right a']);
  });

  it('is granted to the roles that run it, with the schema it is in', async () => {
    await client.query(`revoke all on function label(text) from public`);
    const derivation = await compiled({ table: 'thing' }, '{ function: label, arguments: [code] }');
    const grants = await printGrants(database.ddl, { derivations: [derivation], rolePrefix: 'kinds_' });
    for (const role of ['kinds_fill', 'kinds_ddl', 'kinds_bridge'])
      expect(grants).toContain(`grant execute on function public.label(text) to ${role};`);
  });

  it('changes the fingerprint of the schema when it is replaced or gone', async () => {
    const derivation = await compiled({ table: 'thing' }, '{ function: label_of(text), arguments: [code] }');
    const footprint = footprintOf([derivation]);
    const before = await readFingerprint(database.state, footprint);
    await client.query(
      `create or replace function label_of(text) returns text stable strict language sql as $$ select 'other ' || $1 $$`,
    );
    const replaced = fingerprintDifference(before, await readFingerprint(database.state, footprint));
    expect(replaced.map((line) => line.slice(0, 40))).toEqual([
      'expected function public.label_of(text) ',
      'found function public.label_of(text) oid',
    ]);
    await client.query('drop function label_of(text)');
    const gone = fingerprintDifference(before, await readFingerprint(database.state, footprint));
    expect(gone[1]).toMatch(/^found function \(gone\) oid \d+$/);
  });

  it('is refused when the configuration does not name it, or when it is volatile or SECURITY DEFINER', async () => {
    await client.query(
      `create schema other; create function other.label(text) returns text immutable language sql as $$ select $1 $$`,
    );
    const call = (name: string) => issuesOf({ table: 'thing' }, `{ function: ${name}, arguments: [code] }`);
    expect((await call('other.label'))[0]).toContain('HW1119 tables[0].rule.function');
    expect((await call('pg_catalog.pg_read_file'))[0]).toContain('HW1119 tables[0].rule.function');
    await client.query(`alter function public.label(text) volatile`);
    expect((await call('label'))[0]).toContain('HW1121 tables[0].rule.function');
    await client.query(`alter function public.label(text) immutable security definer`);
    expect((await call('label'))[0]).toContain('HW1121 tables[0].rule.function');
  });
});
