import { afterAll, describe, expect, it } from 'vitest';
import { startRun, type Run } from '../support/engine-run.js';
import { majors, usePostgres } from '../support/stack.js';

const runs: Run[] = [];
afterAll(() => Promise.all(runs.map((run) => run.close())));

const schema = `
create table tenant (id text primary key);
create table account (id int primary key, tenant text not null);
create table by_time (id bigint, at date, account int, tenant text, primary key (id, at)) partition by range (at);
create table by_time_2025 partition of by_time for values from ('2025-01-01') to ('2026-01-01');
create table by_time_2026 partition of by_time for values from ('2026-01-01') to ('2027-01-01');
create table by_time_rest partition of by_time default;
create table by_region (region text, id bigint, account int, tenant text, primary key (region, id)) partition by list (region);
create table by_region_north partition of by_region for values in ('north', 'arctic');
create table by_region_south partition of by_region for values in ('south') partition by range (id);
create table by_region_south_low partition of by_region_south for values from (minvalue) to (1000);
create table by_region_south_high partition of by_region_south for values from (1000) to (maxvalue) partition by hash (id);
create table by_region_south_high_0 partition of by_region_south_high for values with (modulus 2, remainder 0);
create table by_region_south_high_1 partition of by_region_south_high for values with (modulus 2, remainder 1);
create table none_yet (id int primary key, account int, tenant text) partition by range (id);
create table leaving (id int primary key, account int, tenant text) partition by range (id);
create table leaving_low partition of leaving for values from (minvalue) to (1000);
create table leaving_high partition of leaving for values from (1000) to (1000000);
create table leaving_late partition of leaving for values from (1000000) to (maxvalue);
/* rows from elsewhere, to be attached while the migration runs */
create table by_time_2027 (id bigint not null, at date not null, account int, tenant text);
create table by_region_west (region text not null, id bigint not null, account int, tenant text)`;

const seed = `
insert into tenant select 't' || n from generate_series(0, 9) n;
insert into account select n, 't' || n % 10 from generate_series(1, 50) n;
insert into by_time select n, date '2024-12-01' + n, n % 50 + 1 from generate_series(1, 600) n;
insert into by_region select (array['north', 'arctic', 'south'])[n % 3 + 1], n * 4, n % 50 + 1 from generate_series(1, 600) n;
insert into leaving select n, n % 50 + 1 from generate_series(900, 1100) n;
insert into leaving select n, n % 50 + 1 from generate_series(1000000, 1000100) n;
insert into by_time_2027 select n, date '2027-01-01' + n % 300, n % 50 + 1 from generate_series(1, 300) n;
insert into by_region_west select 'west', n, n % 50 + 1 from generate_series(1, 300) n`;

/** Two index names that are equal in their first fifty characters. */
const long = 'an_index_of_a_partitioned_table_with_a_name_that_is_long_';
const plan = (name: string, stream: string): string => `highwater: 1
migration: ${name}
defaults:
  target: { column: tenant, type: text }
  references: { table: tenant, onDelete: restrict }
tables:
  - table: by_time
    rule: { via: account, to: account(id), then: { column: tenant } }
    indexes: { ${long}1: [tenant, at], ${long}2: [tenant] }
  - table: by_region
    rule: { via: account, to: account(id), then: { column: tenant } }
    indexes: { by_region_tenant: [tenant] }
  - { table: none_yet, rule: { via: account, to: account(id), then: { column: tenant } } }
  - { table: leaving, rule: { via: account, to: account(id), then: { column: tenant } } }
cutover: { mode: bridge, start: manual, window: 1s }
limits: { chunkRowsMax: 64 }
${stream}
`;

/** By hand: rows with another tenant than their account's. */
const wrong = `
select 'by_time' as t, count(*)::int as n from by_time r left join account a on a.id = r.account where r.tenant is distinct from a.tenant having count(*) > 0
union all select 'by_region', count(*)::int from by_region r left join account a on a.id = r.account where r.tenant is distinct from a.tenant having count(*) > 0
union all select 'leaving', count(*)::int from leaving r left join account a on a.id = r.account where r.tenant is distinct from a.tenant having count(*) > 0`;

describe.each(majors)('partitioned tables on PostgreSQL %i', (major) => {
  const cluster = usePostgres({ major });

  it('reach NOT NULL, key and indexes at every depth, with partitions coming and going', async () => {
    const kafka = major >= 18;
    const name = `partitions-${major}`;
    const run = await startRun(await cluster.freshDatabase('partitions'), plan(name, kafka ? '' : 'stream: none'), {
      schema,
      seed,
      kafka,
    });
    runs.push(run);
    const { admin } = run.prepared;
    const old = await run.client('old');
    let n = 1_000;
    const insert = async (): Promise<void> => {
      n += 1;
      await old.query(`insert into by_time values (${n}, date '2024-12-01' + ${n} % 700, ${n} % 50 + 1)`);
      await old.query(
        `insert into by_region values ((array['north', 'arctic', 'south'])[${n} % 3 + 1], ${n} * 4 + 1, ${n} % 50 + 1)`,
      );
      await old.query(`insert into leaving values (${n} * 2, ${n} % 50 + 1)`);
    };
    await run.until('sweeping', insert);
    await admin.query(
      `alter table by_time attach partition by_time_2027 for values from ('2027-01-01') to ('2028-01-01')`,
    );
    await admin.query(`alter table leaving detach partition leaving_low`);
    await run.until('bridged', insert);
    await admin.query(`alter table by_region attach partition by_region_west for values in ('west')`);
    await admin.query(`alter table leaving detach partition leaving_late`); // with our partial index on it
    await insert();
    const outcome = await run.cutoverOnceReady();
    expect(outcome.error).toBeNull();
    await insert();
    await admin.query(`create table none_yet_1 partition of none_yet for values from (1) to (1000)`);
    await admin.query(`insert into none_yet (id, account) values (1, 7)`);
    expect((await admin.query(wrong)).rows).toEqual([]);
    expect((await admin.query(`select tenant from none_yet`)).rows).toEqual([{ tenant: 't7' }]);
    const { rows: incomplete } = await admin.query(`
      select * from (
        select c.relname, regexp_replace(c.relname, '^(by_time|by_region|none_yet|leaving).*', '\\1') as root,
               (select attnotnull from pg_attribute a where a.attrelid = c.oid and attname = 'tenant') as enforced,
               (select count(*) from pg_constraint f where f.conrelid = c.oid and f.contype = 'f' and f.convalidated) as keys,
               (select count(*) from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid and i.indisvalid and not indisprimary and x.relname not like 'hw\\_%') as indexes
          from pg_class c where c.relkind in ('r', 'p') and c.relname not in ('leaving_low', 'leaving_late')) t
       where root in ('by_time', 'by_region', 'none_yet', 'leaving')
         and (enforced, keys, indexes) is distinct from (true, 1::bigint, case root when 'by_time' then 2 when 'by_region' then 1 else 0 end::bigint)`);
    expect(incomplete).toEqual([]);

    expect(await run.finish(kafka ? {} : { bridgeUnused: true })).toMatchObject({
      error: null,
      result: { leftovers: [] },
    });
    const { rows: ours } = await admin.query(
      `select relname from pg_class where relname like 'hw\\_%' union all select tgname from pg_trigger where tgname like '~hw\\_%'`,
    );
    expect(ours).toEqual([]);
  });
});
