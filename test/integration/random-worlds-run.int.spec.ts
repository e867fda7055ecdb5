import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import type { Rule } from '@highwater/plan';
import { startRun, type Run } from '../support/engine-run.js';
import { Dice } from '../support/rules/dice.js';
import { identOf, planOf, worldSql } from '../support/rules/database.js';
import { makeWorld } from '../support/rules/make-rule.js';
import { derive, functionNames, functionsSql } from '../support/rules/oracle.js';
import type { Table, World } from '../support/rules/world.js';
import { usePostgres, waitFor } from '../support/stack.js';

const count = Number(process.env['WORLDS'] ?? 10);
const firstSeed = Number(process.env['SEED'] ?? 20_261_100);

const cluster = usePostgres();
let run: Run | undefined;
afterAll(() => run?.close());

const quote = pg.escapeIdentifier;
const tableOf = (world: World, at: number): Table => {
  const table = world.tables[at];
  if (table === undefined) throw new Error('no such table');
  return table;
};

/** What the rules of a world name, as text: enough to leave out what this test cannot foresee. */
const named = (rules: readonly Rule[]): string => JSON.stringify(rules);

/**
 * Worlds in which the value of a row depends on nothing that another fill changes, and on nothing that the writer writes elsewhere: then the
 * end is one whatever the order. Rules over targets are in `derivation-rules` and in the examples.
 */
function isForeseeable(world: World): boolean {
  const first = tableOf(world, 0);
  const rules = named(world.rules);
  return (
    world.tables.every(({ target }) => !rules.includes(JSON.stringify(target))) &&
    !rules.includes(JSON.stringify(first.name)) &&
    first.links.every(({ to }) => to !== 0)
  );
}

function worlds(): World[] {
  const found: World[] = [];
  const schemas = new Set<string>();
  for (let seed = firstSeed; found.length < count; seed += 1) {
    const world = makeWorld(seed);
    if (!isForeseeable(world) || schemas.has(world.schema)) continue;
    schemas.add(world.schema);
    const empty = ({ rows, ...table }: Table): Table => ({
      ...table,
      rows: rows.map((row) => new Map([...row, [table.target, null]])),
    });
    found.push({ ...world, tables: world.tables.map(empty) });
  }
  return found;
}

const migrationOf = ({ seed }: World): string => `world-${seed}`;
const planFor = (world: World): string =>
  JSON.stringify({
    ...(JSON.parse(planOf(world)) as object),
    migration: migrationOf(world),
    defaults: { notNull: false },
    accept: ['LookupNotIndexed', 'RuleRuns'],
    cutover: { mode: 'bridge', start: 'manual', window: '1s' },
    stream: 'none',
  });

/** One statement of an application that never heard of the targets, on the first table of a world: a new row, a row changed, a row gone. */
function writeOf(dice: Dice, world: World, n: number): string {
  const table = tableOf(world, 0);
  const ident = identOf(world, table);
  const linked = table.links.flatMap(({ columns }) => columns);
  const free = table.columns.filter(({ name }) => ![...table.key, ...linked, table.target].includes(name));
  const someRow = `(select ctid from ${ident} order by md5(ctid::text || '${n}') limit 1)`;
  const changed = dice.of(free);
  const kind = dice.of(['insert', 'insert', 'update', 'delete'] as const);
  if (kind === 'delete') return `delete from ${ident} where ctid = ${someRow} and (select count(*) from ${ident}) > 2`;
  // an old mapper writes every column it was generated from: the target as NULL
  if (kind === 'update')
    return `update ${ident} set ${quote(changed.name)} = (select o.${quote(changed.name)} from ${ident} as o order by md5(o.ctid::text) limit 1), ${quote(table.target)} = null where ctid = ${someRow}`;
  const values = table.columns.map(({ name, type }) => {
    if (name === table.target) return 'null';
    if (!table.key.includes(name)) return `o.${quote(name)}`;
    return type === 'uuid' ? 'gen_random_uuid()' : `${1_000_000 + n}`;
  });
  return `insert into ${ident} (${table.columns.map(({ name }) => quote(name)).join(', ')}) select ${values.join(', ')} from ${ident} as o order by md5(o.ctid::text || '${n}') limit 1`;
}

interface Outcome {
  readonly stored: string | null;
  readonly listed: string | null;
}

/** The world as it is now: its rows read back, as text. */
async function readBack(admin: pg.Client, world: World): Promise<World> {
  const tables: Table[] = [];
  for (const table of world.tables) {
    const columns = table.columns.map(({ name }, i) => `${quote(name)}::text as c${i}`).join(', ');
    const { rows } = await admin.query<Record<string, string | null>>(
      `select ${columns} from ${identOf(world, table)}`,
    );
    tables.push({
      ...table,
      rows: rows.map((row) => new Map(table.columns.map(({ name }, i) => [name, row[`c${i}`] ?? null]))),
    });
  }
  return { ...world, tables };
}

/** Rows whose value or listed reason is another than a walk over the rows gives. */
async function differences(admin: pg.Client, made: World): Promise<unknown[]> {
  const world = await readBack(admin, made);
  const { rows: entries } = await admin.query<{ target_no: number; key: string[]; reason: string }>(
    `select target_no, key, reason from highwater.unfillable_row where migration_id = $1 and closed_at is null`,
    [migrationOf(made)],
  );
  const id = (at: number, key: readonly unknown[]): string => JSON.stringify([at, ...key]);
  const listed = new Map(entries.map(({ target_no, key, reason }) => [id(target_no, key), reason]));
  return world.tables.flatMap((table, at) =>
    table.rows.flatMap((row) => {
      const key = table.key.map((name) => row.get(name));
      // what the rule reads never holds a target
      const derived = derive(world, at, row, world.rules[at] as Rule);
      const expected: Outcome =
        'value' in derived ? { stored: derived.value, listed: null } : { stored: null, listed: derived.reason };
      const seen: Outcome = { stored: row.get(table.target) ?? null, listed: listed.get(id(at, key)) ?? null };
      return JSON.stringify(seen) === JSON.stringify(expected) ? [] : [{ table: table.name, key, seen, expected }];
    }),
  );
}

describe('random worlds through the whole service', () => {
  it(
    `end as a walk over their rows says, ${count} migrations beside each other while an application writes`,
    { timeout: 240_000 },
    async () => {
      const all = worlds();
      const told = (world: World): string => `SEED=${world.seed} WORLDS=1\n${worldSql(world)}\n${planFor(world)}`;
      const [first, ...others] = all;
      if (first === undefined) throw new Error('no world');
      run = await startRun(await cluster.freshDatabase('worlds'), planFor(first), {
        schema: `${functionsSql}; ${all.map(worldSql).join('; ')}`,
        seed: '',
        allowedFunctions: functionNames,
      });
      const { admin } = run.prepared;
      const runs = [{ world: first, followed: run as Pick<Run, 'until' | 'ready' | 'cutover' | 'finish'> }];
      for (const world of others) runs.push({ world, followed: await run.another(planFor(world)) });

      const old = await run.client('old');
      const dice = new Dice(firstSeed);
      let n = 0;
      const write = async (): Promise<void> => {
        for (const world of all) {
          n += 1;
          const statement = writeOf(dice, world, n);
          // a copied row may point nowhere, as the seed's do: the application's own error, with or without us
          await old.query(statement).catch((error: { code?: string }) => {
            if (error.code !== '23503') throw new Error(`${told(world)}\n${statement}`, { cause: error });
          });
        }
      };
      for (const { followed } of runs) await followed.until('bridged', write);
      for (let i = 0; i < 5; i += 1) await write();
      for (const { world, followed } of runs) {
        await waitFor(
          'every row to hold its value, or to be listed under its reason',
          async () => (await differences(admin, world)).length === 0,
          {
            timeoutMs: 60_000,
            everyMs: 200,
            describe: async () => `${told(world)}\n${JSON.stringify(await differences(admin, world))}`,
          },
        );
        // the generation may move on between the look and the request: then an operator asks again
        const enforced = await waitFor('the cutover', async () => followed.cutover(await followed.ready()), {
          timeoutMs: 60_000,
        });
        expect(enforced.error, told(world)).toBeNull();
        expect(await differences(admin, world), told(world)).toEqual([]);
      }
      for (const { world, followed } of runs)
        expect(await followed.finish({ bridgeUnused: true }), told(world)).toMatchObject({
          error: null,
          result: { leftovers: [] },
        });
    },
  );
});
