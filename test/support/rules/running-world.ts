import pg from 'pg';
import type { Rule } from '@highwater/plan';
import { identOf, planOf, worldSql } from './database.js';
import { Dice } from './dice.js';
import { makeWorld } from './make-rule.js';
import { derive } from './oracle.js';
import { cell, type Table, type World } from './world.js';

/** A world as a migration of its own while an application writes to it. */
export interface RunningWorld {
  readonly world: World;
  readonly migration: string;
  readonly plan: string;
  /** New rows come through Kafka; else tail passes and the bridge alone find them. */
  readonly streamed: boolean;
  /** Every rule ends in a constant, so that every row has a value and every target becomes NOT NULL. */
  readonly enforced: boolean;
  /** How to see it again. */
  readonly told: string;
  /** The next statement of an application that never heard of the target, on the first table. */
  insert(): string;
  /** The same, of any kind: a new row, a row changed, a row gone. */
  write(): string;
}

const quote = pg.escapeIdentifier;

function tableAt(world: World, at: number): Table {
  const table = world.tables[at];
  if (table === undefined) throw new Error('no such table');
  return table;
}

/**
 * Worlds in which the value of a row depends on nothing that another fill changes, and on nothing that the writer writes elsewhere: then the
 * end is one whatever the order. Rules over targets are in `derivation-rules` and in the examples.
 */
function isForeseeable(world: World): boolean {
  const first = tableAt(world, 0);
  const rules = JSON.stringify(world.rules);
  return (
    world.tables.every(({ target }) => !rules.includes(JSON.stringify(target))) &&
    !rules.includes(JSON.stringify(first.name)) &&
    first.links.every(({ to }) => to !== 0)
  );
}

/** The next `count` of them from a seed on, in schemas of their own. What a world is follows from its own seed alone. */
export function runningWorlds(firstSeed: number, count: number): RunningWorld[] {
  const found: RunningWorld[] = [];
  const schemas = new Set<string>();
  for (let seed = firstSeed; found.length < count; seed += 1) {
    const world = makeWorld(seed);
    if (!isForeseeable(world) || schemas.has(world.schema)) continue;
    schemas.add(world.schema);
    found.push(runningWorld(world));
  }
  return found;
}

function runningWorld(made: World): RunningWorld {
  const dice = new Dice(made.seed);
  const streamed = !dice.once(3);
  const enforced = dice.once(2);
  const otherwise = { kind: 'constant' as const, value: cell(dice, made.aim) };
  const world: World = {
    ...made,
    tables: made.tables.map(({ rows, ...table }) => ({
      ...table,
      rows: rows.map((row) => new Map([...row, [table.target, null]])),
    })),
    rules: enforced ? made.rules.map((rule): Rule => ({ kind: 'firstOf', rules: [rule, otherwise] })) : made.rules,
  };
  const migration = `world-${world.seed}`;
  const plan = JSON.stringify({
    ...(JSON.parse(planOf(world)) as object),
    migration,
    defaults: { notNull: enforced },
    accept: ['LookupNotIndexed', 'RuleRuns'],
    cutover: { mode: 'bridge', start: 'manual', window: '1s' },
    stream: streamed ? { partitions: 2 } : 'none',
  });
  let n = 0;
  return {
    world,
    migration,
    plan,
    streamed,
    enforced,
    told: `SEED=${world.seed} WORLDS=1\n${worldSql(world)}\n${plan}`,
    insert: () => insertOf(world, (n += 1)),
    write: () => writeOf(dice, world, (n += 1)),
  };
}

function insertOf(world: World, n: number): string {
  const table = tableAt(world, 0);
  const ident = identOf(world, table);
  const values = table.columns.map(({ name, type }) => {
    if (name === table.target) return 'null';
    if (!table.key.includes(name)) return `o.${quote(name)}`;
    return type === 'uuid' ? 'gen_random_uuid()' : `${1_000_000 + n}`;
  });
  return `insert into ${ident} (${table.columns.map(({ name }) => quote(name)).join(', ')}) select ${values.join(', ')} from ${ident} as o order by md5(o.ctid::text || '${n}') limit 1`;
}

function writeOf(dice: Dice, world: World, n: number): string {
  const table = tableAt(world, 0);
  const ident = identOf(world, table);
  const linked = table.links.flatMap(({ columns }) => columns);
  const free = table.columns.filter(({ name }) => ![...table.key, ...linked, table.target].includes(name));
  const someRow = `(select ctid from ${ident} order by md5(ctid::text || '${n}') limit 1)`;
  const changed = dice.of(free);
  const kind = dice.of(['insert', 'insert', 'update', 'delete'] as const);
  if (kind === 'insert') return insertOf(world, n);
  if (kind === 'delete') return `delete from ${ident} where ctid = ${someRow} and (select count(*) from ${ident}) > 2`;
  // an old mapper writes every column it was generated from: the target as NULL
  return `update ${ident} set ${quote(changed.name)} = (select o.${quote(changed.name)} from ${ident} as o order by md5(o.ctid::text) limit 1), ${quote(table.target)} = null where ctid = ${someRow}`;
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

interface Outcome {
  readonly stored: string | null;
  readonly listed: string | null;
}

const identity = (at: number, key: readonly unknown[]): string => JSON.stringify([at, ...key]);
const keyOf = (table: Table, row: ReadonlyMap<string, string | null>): unknown[] =>
  table.key.map((name) => row.get(name));

/** Rows whose value or listed reason is another than a walk over the rows gives. `inserted`: of the application's new rows alone. */
export async function differences(
  admin: pg.Client,
  { world: made, migration }: RunningWorld,
  { inserted = false } = {},
): Promise<unknown[]> {
  const world = await readBack(admin, made);
  const seeded = new Set(
    inserted ? made.tables.flatMap((table, at) => table.rows.map((row) => identity(at, keyOf(table, row)))) : [],
  );
  const { rows: entries } = await admin.query<{ target_no: number; key: string[]; reason: string }>(
    `select target_no, key, reason from highwater.unfillable_row where migration_id = $1 and closed_at is null`,
    [migration],
  );
  const listed = new Map(entries.map(({ target_no, key, reason }) => [identity(target_no, key), reason]));
  return world.tables.flatMap((table, at) =>
    table.rows.flatMap((row) => {
      const key = keyOf(table, row);
      if (seeded.has(identity(at, key))) return [];
      // what the rule reads never holds a target
      const derived = derive(world, at, row, world.rules[at] as Rule);
      const expected: Outcome =
        'value' in derived ? { stored: derived.value, listed: null } : { stored: null, listed: derived.reason };
      const seen: Outcome = {
        stored: row.get(table.target) ?? null,
        listed: listed.get(identity(at, key)) ?? null,
      };
      return JSON.stringify(seen) === JSON.stringify(expected) ? [] : [{ table: table.name, key, seen, expected }];
    }),
  );
}

/** Targets of the plan that the server does not enforce. */
export async function notEnforced(admin: pg.Client, { world }: RunningWorld): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select c.relname as name from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
       join unnest($2::text[], $3::text[]) as t (name, target) on (t.name, t.target) = (c.relname, a.attname)
      where n.nspname = $1 and not a.attnotnull`,
    [world.schema, world.tables.map(({ name }) => name), world.tables.map(({ target }) => target)],
  );
  return rows.map(({ name }) => name);
}
