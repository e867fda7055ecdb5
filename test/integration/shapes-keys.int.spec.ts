import { afterAll, describe, expect, it } from 'vitest';
import { startRun, type Run } from '../support/engine-run.js';
import { usePostgres } from '../support/stack.js';

const cluster = usePostgres();
const runs: Run[] = [];
afterAll(() => Promise.all(runs.map((run) => run.close())));

/** 63 bytes, the longest name there is, with everything that must be quoted; in YAML and in SQL. */
const longest = 'Ünïcode "tâble". of \'sixty-three\' bytes, $1 %I \\n; sel --xyz';
const quoted = `"${longest.replaceAll('"', '""')}"`;

const schema = `
create collation natural_order (provider = icu, locale = 'en-u-kn-true');
create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create schema "My Schéma.1";
create schema "select";
create type mood as enum ('calm', 'cross');
create table "select"."from" ("to" varchar(20) primary key);
create table account (id uuid primary key, tenant varchar(20) not null, no bigint not null, since timestamptz not null, mood mood, rate numeric(12, 4), tags jsonb);
create table line (tenant text, no bigint, at timestamptz, account uuid references account, owner text, primary key (tenant, no, at));
create table device (id uuid primary key default gen_random_uuid(), account uuid references account, owner text);
create table reading (id bigint primary key, account uuid references account, owner text);
create table tag (name text collate natural_order primary key, account uuid references account, owner text);
create table code (name text collate any_case primary key, account uuid references account, owner text);
create table "My Schéma.1".${quoted} ("kéy ""1""" text primary key, "a.b" uuid references account, ${quoted} text);
create table "select"."user" ("order" int primary key, "group" uuid references account, "table" text);
create table ledger (id int primary key, account uuid references account, a_text varchar(20), a_number bigint, a_time timestamptz, a_mood mood, a_rate numeric(12, 4), a_uuid uuid, a_document jsonb);
create table comment (id int primary key, parent int references comment, account uuid references account, owner text);
create table badge (code text not null unique, account uuid references account, owner text);
create table nothing (id int primary key, account uuid references account, owner text);
create table partly (id int primary key, account uuid references account, owner text);
create table complete (id int primary key, account uuid references account, owner text not null)`;

const uuidOf = (n: string): string => `('00000000-0000-0000-0000-' || lpad((${n})::text, 12, '0'))::uuid`;
/** Statements of the old application, by the number of the row; the seed is the same statements over the first 200. */
const rows: readonly ((n: string) => string)[] = [
  (n) =>
    `insert into line select 'tenant, "' || (${n} % 3) || '"', ${n}, timestamptz '2026-01-01 00:00:00.000001Z' + ${n} * interval '1 microsecond', ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into device (account) select ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into reading select 9007199254740993 + ${n}, ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into tag select 'item ' || ${n}, ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into code select case ${n} % 2 when 0 then 'Ä ' else 'b ' end || ${n}, ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into "My Schéma.1".${quoted} select 'k "' || ${n} || '", {\\', ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into "select"."user" select ${n}, ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into ledger select ${n}, ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into comment select ${n}, nullif(${n} / 4, 0), case when ${n} < 4 then ${uuidOf(`${n} % 20`)} end`,
  (n) => `insert into badge select 'badge ' || ${n}, ${uuidOf(`${n} % 20`)}`,
  (n) => `insert into partly select ${n}, ${uuidOf(`${n} % 20`)}, case when ${n} % 2 = 0 then 't' || ${n} % 20 end`,
  (n) => `insert into complete select ${n}, ${uuidOf(`${n} % 20`)}, 't' || ${n} % 20`,
];
const seed = `
insert into "select"."from" select 't' || n from generate_series(0, 19) n;
insert into account select ${uuidOf('n')}, 't' || n, 9007199254740993 + n, '2026-01-01 00:00:00.123456Z'::timestamptz + n * interval '1 day', case n % 2 when 0 then 'calm' else 'cross' end::mood, n + 0.1234, jsonb_build_object('n', n)
  from generate_series(0, 19) n;
${rows.map((statement) => `${statement('n')} from generate_series(1, 200) n`).join(';\n')}`;

const rule = '{ via: account, then: { column: tenant } }';
const yaml = (name: string): string => JSON.stringify(name);
const plan = `highwater: 1
migration: keys-and-names
defaults: { references: none, target: { column: owner, type: text } }
tables:
${['line', 'device', 'reading', 'tag', 'code', 'nothing', 'partly', 'complete'].map((table) => `  - { table: ${table}, rule: ${rule}, indexes: { ${table}_owner: [owner] } }`).join('\n')}
  - { table: badge, key: [code], rule: ${rule}, indexes: { badge_owner: [owner] } }
  - table: { schema: My Schéma.1, name: ${yaml(longest)} }
    target: { column: ${yaml(longest)}, type: text }
    rule: { via: a.b, then: { column: tenant } }
    references: { table: { schema: select, name: from }, onDelete: noAction }
    indexes: { ${yaml(`${longest.slice(0, -1)}i`)}: [${yaml(longest)}, a.b] }
  - table: { schema: select, name: user }
    target: { column: table, type: text }
    rule: { via: group, then: { column: tenant } }
    indexes: { limit: [table] }
  - { table: ledger, target: { column: a_text, type: character varying(20) }, rule: ${rule} }
  - { table: ledger, target: { column: a_number, type: bigint }, rule: { via: account, then: { column: no } } }
  - { table: ledger, target: { column: a_time, type: timestamp with time zone }, rule: { via: account, then: { column: since } } }
  - { table: ledger, target: { column: a_mood, type: public.mood }, rule: { via: account, then: { column: mood } } }
  - { table: ledger, target: { column: a_rate, type: 'numeric(12,4)' }, rule: { via: account, then: { column: rate } } }
  - { table: ledger, target: { column: a_uuid, type: uuid }, references: { table: account, onDelete: cascade }, rule: { column: account } }
  - { table: ledger, target: { column: a_document, type: jsonb }, rule: { via: account, then: { column: tags } } }
  - table: comment
    rule: { firstOf: [ { via: account, then: { column: tenant } }, { via: parent, then: { column: owner } } ] }
cutover: { mode: bridge, start: manual, window: 1s }
limits: { chunkRowsMax: 64 }
`;

/** By hand: rows that hold something else than they should. */
const wrong = `
with recursive root (id, account) as (select id, account from comment where parent is null union all select c.id, r.account from comment c join root r on r.id = c.parent)
select 'line' as t from line r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'device' from device r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'reading' from reading r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'tag' from tag r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'code' from code r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'nothing' from nothing r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'longest' from "My Schéma.1".${quoted} r left join account a on a.id = r."a.b" where r.${quoted} is distinct from a.tenant
union all select 'user' from "select"."user" r left join account a on a.id = r."group" where r."table" is distinct from a.tenant
union all select 'ledger' from ledger r left join account a on a.id = r.account
           where (a_text, a_number, a_time, a_mood, a_rate, a_uuid, a_document) is distinct from (a.tenant::varchar(20), a.no, a.since, a.mood, a.rate, a.id, a.tags)
union all select 'comment' from comment c join root r using (id) left join account a on a.id = r.account where c.owner is distinct from a.tenant
union all select 'badge' from badge r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'partly' from partly r left join account a on a.id = r.account where r.owner is distinct from a.tenant
union all select 'complete' from complete r left join account a on a.id = r.account where r.owner is distinct from a.tenant`;

describe('keys and names of every shape', () => {
  it('are filled, bridged, enforced and left without a trace, with the old application writing', async () => {
    expect(Buffer.byteLength(longest)).toBe(63);
    const run = await startRun(await cluster.freshDatabase('shapes'), plan, { schema, seed, kafka: true });
    runs.push(run);
    const { admin } = run.prepared;
    const old = await run.client('old');
    let n = 200;
    const insert = async (): Promise<void> => {
      n += 1;
      for (const statement of rows) await old.query(statement(String(n)));
    };
    await run.until('bridged', insert);
    await insert();
    await old.query(`insert into nothing select 1, ${uuidOf('1')}`);
    const outcome = await run.cutoverOnceReady();
    expect(outcome.error).toBeNull();
    await insert();
    expect((await admin.query(wrong)).rows).toEqual([]);
    const { rows: nullable } = await admin.query(
      `select attrelid::regclass::text as t, attname from pg_attribute
        where not attnotnull and attnum > 0 and (attname in ('owner', 'table', $1) or attrelid = 'ledger'::regclass and attname like 'a\\_%')
          and attrelid in (select oid from pg_class where relkind = 'r' and relnamespace not in ('pg_catalog'::regnamespace, 'highwater'::regnamespace))`,
      [longest],
    );
    expect(nullable).toEqual([]);
    const indexes = `select count(*) filter (where indisvalid)::int as n from pg_index join pg_class c on c.oid = indexrelid where c.relname like '%\\_owner' or c.relname in ('limit', $1)`;
    expect((await admin.query(indexes, [`${longest.slice(0, -1)}i`])).rows).toEqual([{ n: 11 }]);
    expect(await run.finish()).toMatchObject({ error: null, result: { leftovers: [] } });
  });
});
