import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noValueReasons, type MigrationId } from '@highwater/kernel';
import { type CompiledDerivation, compilePlan } from '@highwater/derivation';
import { formatIssue, parsePlan } from '@highwater/plan';
import {
  type Database,
  type FillTarget,
  bridgeDefinition,
  installSchema,
  openDatabase,
  readCatalogForPlan,
} from '@highwater/target-db';
import { writeRows } from '../../libs/target-db/src/fill/write-rows.js';
import { comparePage } from '../../libs/target-db/src/verify/verify-range.js';
import { planOf, worldSql } from '../support/rules/database.js';
import { makeWorld } from '../support/rules/make-rule.js';
import { derive, functionNames, functionsSql } from '../support/rules/oracle.js';
import type { World } from '../support/rules/world.js';
import { usePostgres } from '../support/stack.js';

const worlds = Number(process.env['WORLDS'] ?? 220);
const firstSeed = Number(process.env['SEED'] ?? 20_260_200);

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const postgres = usePostgres();
let client: pg.Client;
let database: Database;

beforeAll(async () => {
  const url = await postgres.freshDatabase('rules');
  client = new pg.Client({ connectionString: url });
  await client.connect();
  const urls = { stream: url, fill: url, state: url, ddl: url };
  database = openDatabase({ urls, allowedFunctions: functionNames });
  await installSchema(database);
  await client.query(
    `${functionsSql}; insert into highwater.migration (id, short, plan_source, plan_hash) values ('world', '0000face', '', '')`,
  );
});
afterAll(async () => {
  await client?.end();
  await database?.close();
});

async function compile(source: string): Promise<CompiledDerivation[] | 'too large'> {
  const parsed = parsePlan(source, sha256);
  if ('issues' in parsed)
    throw new Error(parsed.issues.map((issue) => formatIssue(issue, source, 'plan.yaml')).join('\n'));
  const { plan } = parsed.plan;
  const compiled = compilePlan(plan, await readCatalogForPlan(database.ddl, plan));
  if (!('issues' in compiled)) return compiled.derivations;
  if (compiled.issues.every(({ code }) => code === 'HW1114')) return 'too large';
  throw new Error(compiled.issues.map(({ code, path, message }) => `${code} ${path} ${message}`).join('\n'));
}

interface Outcome {
  readonly value: string | null;
  readonly reason: string | null;
}

const keyOf = (key: readonly unknown[]): string => JSON.stringify(key);

function byOracle(world: World, at: number): Map<string, Outcome> {
  const table = world.tables[at];
  const rule = world.rules[at];
  if (table === undefined || rule === undefined) throw new Error('no such table');
  return new Map(
    table.rows.map((row) => {
      const derived = derive(world, at, row, rule);
      const outcome = 'value' in derived ? { value: derived.value, reason: null } : { value: null, ...derived };
      return [keyOf(table.key.map((column) => row.get(column))), outcome];
    }),
  );
}

const keyTexts = ({ key }: CompiledDerivation): string => key.map(({ ident }) => `r.${ident}::text`).join(', ');

async function bySql(d: CompiledDerivation): Promise<Map<string, Outcome>> {
  const { rows } = await client.query<{ k: string[] } & Outcome>(
    `select array[${keyTexts(d)}] as k, (${d.expression})::text as value, ${d.reason} as reason from ${d.table.ident} as r`,
  );
  return new Map(rows.map(({ k, value, reason }) => [keyOf(k), { value, reason }]));
}

async function byJoin(
  d: CompiledDerivation,
  join: NonNullable<CompiledDerivation['join']>,
): Promise<Map<string, string>> {
  const { rows } = await client.query<{ k: string[]; value: string | null }>(
    `select array[${keyTexts(d)}] as k, (${join.value})::text as value from ${d.table.ident} as r, ${join.from} where ${join.on}`,
  );
  return new Map(rows.flatMap(({ k, value }) => (value === null ? [] : [[keyOf(k), value] as const])));
}

async function stored(d: CompiledDerivation): Promise<Map<string, string | null>> {
  const { rows } = await client.query<{ k: string[]; value: string | null }>(
    `select array[${keyTexts(d)}] as k, r.${d.target.ident}::text as value from ${d.table.ident} as r`,
  );
  return new Map(rows.map(({ k, value }) => [keyOf(k), value]));
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

const targetOf = (derivation: CompiledDerivation): FillTarget => ({
  migrationId: 'world' as MigrationId,
  short: '0000face',
  targetNo: 0,
  derivation,
});

/** The fill's own statements over all rows that are still NULL. */
async function filled(
  d: CompiledDerivation,
): Promise<{ values: Map<string, string | null>; reasons: Map<string, string> }> {
  const empty = [...(await stored(d))].flatMap(([key, value]) => (value === null ? [JSON.parse(key) as string[]] : []));
  return undone(async () => {
    const { unfilled } = await writeRows(client, targetOf(d), { naming: 'key', count: empty.length, keys: empty });
    return { values: await stored(d), reasons: new Map(unfilled.map(({ key, reason }) => [keyOf(key), reason])) };
  });
}

/** What the bridge makes of a statement that leaves the target out. */
async function bridged(d: CompiledDerivation): Promise<Map<string, string | null>> {
  const bridge = bridgeDefinition(targetOf(d), { mode: 'assign', reports: false });
  return undone(async () => {
    await client.query(`${bridge.createFunction}; ${bridge.createTrigger}`);
    await client.query(`update ${d.table.ident} as r set ${d.target.ident} = null`);
    return stored(d);
  });
}

/** Rows of which the verification says that something else is stored than their rule gives. */
async function mismatched(d: CompiledDerivation): Promise<Set<string>> {
  return undone(async () => {
    await comparePage(client, targetOf(d), null, 1_000);
    const { rows } = await client.query<{ key: string[] }>('select key from highwater.mismatch');
    return new Set(rows.map(({ key }) => keyOf(key)));
  });
}

/** Where a row's value hangs on what others of its table hold, each write changes what follows from the next; the oracle knows one state. */
const readsOwnTarget = (d: CompiledDerivation): boolean =>
  d.inputs.some(({ relid, columns }) => relid === d.table.relid && columns.includes(d.target.name));

describe('rules of every kind', () => {
  it(`give what a row-by-row derivation gives, in ${worlds} random worlds: asked, joined, filled, bridged and verified`, async () => {
    const seen = new Set<string | null>();
    let [tooLarge, joined, bridgedTables, mismatches] = [0, 0, 0, 0];
    for (let seed = firstSeed; seed < firstSeed + worlds; seed += 1) {
      const world = makeWorld(seed);
      const source = planOf(world);
      const told = (d?: CompiledDerivation): string =>
        `SEED=${seed} WORLDS=1\n${worldSql(world)}\n${source}\n${d?.expression}\n${d?.reason}`;
      await client.query(worldSql(world));
      try {
        const derivations = await compile(source).catch((error: unknown) => {
          throw new Error(told(), { cause: error });
        });
        if (derivations === 'too large') {
          tooLarge += 1;
          continue;
        }
        for (const [at, d] of derivations.entries()) {
          const expected = byOracle(world, at);
          expect(await bySql(d), told(d)).toEqual(expected);
          for (const { reason } of expected.values()) seen.add(reason);
          if (d.join) {
            joined += 1;
            const values = [...expected].flatMap(([key, { value }]) => (value === null ? [] : [[key, value] as const]));
            expect(await byJoin(d, d.join), told(d)).toEqual(new Map(values));
          }
          const before = await stored(d);
          const others = [...before].filter(([key, value]) => value !== null && value !== expected.get(key)?.value);
          mismatches += others.length;
          expect(await mismatched(d), told(d)).toEqual(new Set(others.map(([key]) => key)));
          if (readsOwnTarget(d)) continue;
          const after = await filled(d);
          for (const [key, { value, reason }] of expected) {
            const empty = before.get(key) === null;
            expect(after.values.get(key), told(d)).toBe(empty ? value : before.get(key));
            expect(after.reasons.get(key) ?? null, told(d)).toBe(empty ? reason : null);
          }
          bridgedTables += 1;
          const values = new Map([...expected].map(([key, { value }]) => [key, value]));
          expect(await bridged(d), told(d)).toEqual(values);
        }
      } finally {
        await client.query(`drop schema ${pg.escapeIdentifier(world.schema)} cascade`);
      }
    }
    expect(seen).toEqual(new Set([null, ...noValueReasons.filter((reason) => reason !== 'EntityMissing')]));
    expect(tooLarge).toBeLessThan(worlds / 20);
    expect(Math.min(joined, bridgedTables, mismatches)).toBeGreaterThan(worlds / 10);
  }, 300_000);
});
