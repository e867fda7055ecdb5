import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Sweeper } from '@highwater/roles';
import { createRanges, createTailPass, openGate, openRanges, readFillProgress } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { quiet } from '../support/stream.js';

/* F107: every kind of key, few rows and none, NULL everywhere and nowhere. The oracle knows the value from the row's `grp` alone. */
const { freshDatabase } = usePostgres();

interface Kind {
  readonly name: string;
  /** Columns and key of the table. */
  readonly columns: string;
  /** Rows, besides `grp`. */
  readonly rows: string;
}
/** Enough rows for several chunks and ranges, and for blocks where the table is an ordinary one. */
const many = 9_000;
const kinds: Kind[] = [
  { name: 'empty', columns: 'id int primary key', rows: `select g as id from generate_series(1, 0) g` },
  { name: 'one_row', columns: 'id int primary key', rows: `select 7 as id` },
  { name: 'negative', columns: 'id int primary key', rows: `select g - 5000 as id from generate_series(1, ${many}) g` },
  { name: 'gaps', columns: 'id int primary key', rows: `select g * g as id from generate_series(1, ${many}) g` },
  {
    name: 'big',
    columns: 'id bigint primary key',
    rows: `select case g % 2 when 0 then 9223372036854775807 - g else g - 9223372036854775807 end as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'uuids',
    columns: 'id uuid primary key',
    rows: `select md5(g::text)::uuid as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'texts',
    columns: `id text collate "C" primary key`,
    rows: `select (array['ä', 'Z', 'z', '"', '''', '\\', ' ', '{', ',', 'NULL'])[1 + g % 10] || g as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'words',
    columns: `id text primary key`,
    rows: `select (array['ä', 'Z', 'z', 'a-', 'a ', 'aa'])[1 + g % 6] || g as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'moments',
    columns: 'id timestamptz primary key',
    rows: `select timestamptz '2020-01-01 00:00:00.000001+00' + g * interval '1 microsecond' as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'numbers',
    columns: 'id numeric primary key',
    rows: `select g / 1000.0 as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'pairs',
    columns: `"A b" text, id int, primary key ("A b", id)`,
    rows: `select (array['x', 'y', ''])[1 + g % 3] as "A b", g / 3 - 100 as id from generate_series(1, ${many}) g`,
  },
  {
    name: 'triples',
    columns: 'a date, b uuid, c smallint, primary key (a, b, c)',
    rows: `select date '2020-01-01' + g % 30 as a, md5((g % 100)::text)::uuid as b, (g / 100)::smallint as c from generate_series(1, ${many}) g`,
  },
  {
    name: 'parted',
    columns: 'id bigint, day int, primary key (id, day)',
    rows: `select g as id, g % 20 as day from generate_series(1, ${many}) g`,
  },
  {
    name: 'wide',
    columns: `id int primary key, pad text default repeat('p', 3000)`,
    rows: `select g as id from generate_series(1, 800) g`,
  },
];
/** What `rows` gives, where it is not `id` alone. */
const insertedColumns: Record<string, string> = { pairs: '"A b", id', triples: 'a, b, c', parted: 'id, day' };
const shares = {
  'all NULL': 'null::text',
  'none NULL': `'there before'`,
  'some NULL': `case when g0 % 3 = 0 then 'there before' end`,
};

const schema = `
create table grp (id int primary key, org text);
insert into grp select g, 'o' || g from generate_series(1, 9) g;
${kinds
  .map(({ name, columns }) =>
    name === 'parted'
      ? `create table ${name} (${columns}, grp int, org text) partition by range (day);
         create table ${name}_1 partition of ${name} for values from (0) to (10); create table ${name}_2 partition of ${name} for values from (10) to (20)`
      : `create table ${name} (${columns}, grp int, org text)`,
  )
  .join(';\n')}`;
const plan = `
highwater: 1
migration: kinds
tables:
${kinds.map(({ name }) => `  - { table: ${name}, target: { column: org, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }`).join('\n')}
cutover: { mode: bridge, start: manual, window: 10m }
limits: { sweepWorkers: 2, chunkRowsMax: 500 }
`;

let p: Prepared;
let epoch = 0;
let sweeper: Sweeper | undefined;

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'kinds', short: p.targets[0]?.short ?? '' }, ['sweep']);
});
afterEach(async () => {
  await sweeper?.stop();
  sweeper = undefined;
});
afterAll(() => p.close());

async function sweep(): Promise<void> {
  sweeper = new Sweeper({
    database: p.database,
    migrationId: 'kinds',
    epoch,
    stream: null,
    targets: p.targets,
    limits: p.plan.limits,
    logger: quiet,
  });
  await sweeper.start();
  await waitFor('the pass', async () => openRanges(await readFillProgress(p.database.state, 'kinds', epoch)) === 0, {
    describe: () => sweeper?.status(),
  });
  await sweeper.stop();
}

const runs = Object.keys(shares).flatMap((share) =>
  (['keys', 'blocks'] as const).map((walk) => [share, walk] as const),
);

it.each(runs)(
  'F107 keys of every kind, %s, walking %s: every row ends with its value, each NULL filled once',
  async (share, walk) => {
    const value = shares[share as keyof typeof shares];

    for (const { name, rows } of kinds) {
      await p.admin.query(`truncate ${name}`);
      const columns = insertedColumns[name] ?? 'id';
      await p.admin.query(
        `insert into ${name} (${columns}, grp, org) select ${columns}, 1 + (g0 % 9)::int, ${value} from (select q.*, row_number() over () as g0 from (${rows}) q) as w`,
      );
      await p.admin.query(`analyze ${name}`);
    }
    epoch += 1;
    for (const target of p.targets)
      await createRanges(p.database.fill, target, {
        epoch,
        workers: 2,
        chunkRowsMax: 500,
        walk: target.derivation.table.kind === 'r' ? walk : 'keys',
      });
    await sweep();
    for (const target of p.targets) await createTailPass(p.database.fill, target, { epoch, pass: 1 });
    await sweep();
    let filledAll = 0;
    for (const { name } of kinds) {
      const { rows } = await p.admin.query(
        `select '${name}' as kind, count(*) filter (where a.org is null)::int as nulls, count(*) filter (where a.org not in (g.org, 'there before'))::int as wrong,
              count(*) filter (where a.org = 'there before')::int as before, count(*)::int as n from ${name} a left join grp g on g.id = a.grp`,
      );
      const { n } = rows[0] as { n: number };
      const before = value.startsWith('null') ? 0 : value.startsWith('case') ? Math.floor(n / 3) : n;
      expect(rows).toEqual([{ kind: name, nulls: 0, wrong: 0, before, n }]);
      filledAll += n - before;
    }
    const { rows: counted } = await p.admin.query(
      `select coalesce(sum(rows_filled), 0)::int as n, bool_and(walk = $2 or walk = 'keys') as walked from highwater.sweep_range where epoch = $1`,
      [epoch, walk],
    );
    expect(counted).toEqual([{ n: filledAll, walked: true }]);
  },
);
