import { HighwaterError } from '@highwater/kernel';
import { formatTableName, schemaOf, tablesNamed, walkRule, type Plan, type TableName } from '@highwater/plan';
import {
  countWithoutValue,
  leftoversOf,
  openDatabase,
  otherSessions,
  readHistoryTables,
  readOnly,
  readTableShapes,
  removalOf,
  type Access,
  type Database,
  type HistoryTable,
  type TableShape,
} from '@highwater/target-db';
import { readPlan, sha256, shortOf } from '../control/resolve.js';
import type { Settings } from '../settings.js';
import { checklistOf, type ChecklistLine } from './checklist.js';
import { diagnosisCodes } from './codes.js';
import { nextCommands, type NextCommand } from './commands.js';
import { hasPlannedColumn, type DatabaseFacts, type TargetFacts, type TeamMigration } from './facts.js';
import { fitOf } from './fit.js';
import { findingsOf, type DatabaseFinding } from './findings.js';
import { readMigrationsFolder, type MigrationsFolder } from './migrations-folder.js';
import { prove, tablesNamedIn } from './proof.js';
import { scenarioOf, scenarios, type Scenario } from './scenario.js';

export interface DiagnosisRequest {
  readonly source: string;
  /** As the commands shall name it. */
  readonly planFile: string;
  /** Only this record of a migration tool; undefined: all that are found by their shape. */
  readonly historyTable?: string;
  readonly migrationsDir?: string;
}

/** What state a database is in for a plan, and what to do now. */
export interface Diagnosis {
  readonly migration: string;
  readonly scenario: Scenario;
  /** As the docs call it: A, B, … */
  readonly letter: string;
  readonly means: string;
  readonly findings: readonly DatabaseFinding[];
  readonly checklist: readonly ChecklistLine[];
  readonly commands: readonly NextCommand[];
}

/**
 * Looks at a database with a plan in hand. Every statement runs in a READ ONLY transaction as the ddl access, and none needs schema
 * `highwater`. Throws PlanRejected, HW2201, HW2202.
 */
export async function diagnosePlan(settings: Settings, request: DiagnosisRequest): Promise<Diagnosis> {
  const database = openDatabase(settings.database);
  try {
    return judgeFacts(await lookAt(database, request));
  } finally {
    await database.close();
  }
}

/** Pure: facts in, diagnosis out. */
export function judgeFacts(facts: DatabaseFacts): Diagnosis {
  const scenario = scenarioOf(facts);
  return {
    migration: facts.migration,
    scenario,
    ...scenarios[scenario],
    findings: findingsOf(facts),
    checklist: checklistOf(facts),
    commands: nextCommands(facts),
  };
}

async function lookAt(database: Database, request: DiagnosisRequest): Promise<DatabaseFacts> {
  const { ddl } = database;
  const { plan, hash } = readPlan(request.source).parsed;
  const histories = await readHistoryTables(ddl, request.historyTable);
  if (request.historyTable !== undefined && histories.length === 0) throw notARecord(request.historyTable);
  const folder = readMigrationsFolder(
    request.migrationsDir,
    histories.map(({ tool }) => tool),
  );
  const scripts = (folder?.migrations ?? []).filter(({ isSql }) => isSql).map(({ text }) => text);
  const named = namedBy(plan);
  const shapes = await readOnly(ddl, 'reading the tables of the plan', (client) =>
    readTableShapes(client, [
      ...named.map((one) => ({ schema: schemaOf(one), name: one.name })),
      ...tablesNamedIn(scripts),
    ]),
  );
  const find = (table: TableName): TableShape | undefined =>
    shapes.find((one) => one.schema === schemaOf(table) && one.name === table.name);
  const ours = await readOurs(database, plan.migration, hash);
  const missingTables = named.filter((table) => !find(table)).map(formatTableName);
  const targets = await targetsOf(ddl, plan, find);
  return {
    migration: plan.migration,
    planFile: request.planFile,
    stream: plan.stream !== null,
    targets,
    entities: plan.entities.map(({ table, from, key, createdBy, indexes }) => ({
      table: formatTableName(table),
      from: formatTableName(from),
      identity: key.map(({ column }) => column),
      createdBy,
      indexes,
      unique: [],
      shape: find(table),
    })),
    missingTables,
    ...(await fitOf(database, plan, missingTables.length === 0 && targets.every(hasPlannedColumn))),
    histories,
    folder: folder && { path: folder.path, tool: folder.tool, schemaFile: folder.schemaFile },
    team: teamOf(histories, folder, shapes, plan),
    ...ours,
  };
}

/** Every table that the plan speaks of, each once. */
function namedBy(plan: Plan): TableName[] {
  const found = new Map<string, TableName>();
  const add = (table: TableName): void => void found.set(`${schemaOf(table)}.${table.name}`, table);
  for (const entity of plan.entities) [entity.table, entity.from].forEach(add);
  for (const entry of plan.tables) {
    add(entry.table);
    if (entry.references) add(entry.references.table);
    walkRule(entry.rule, [], (rule) => tablesNamed(rule).forEach(add));
  }
  return [...found.values()];
}

async function targetsOf(
  ddl: Access,
  plan: Plan,
  find: (table: TableName) => TableShape | undefined,
): Promise<TargetFacts[]> {
  const targets: TargetFacts[] = [];
  for (const { table, target, notNull, references, indexes, unique } of plan.tables) {
    const shape = find(table);
    const column = shape?.columns.find(({ name }) => name === target.column);
    const { ident = '', heapBytes = 0, rowsEstimated = 0 } = shape ?? {};
    targets.push({
      table: formatTableName(table),
      schema: schemaOf(table),
      name: table.name,
      ...target,
      notNull,
      references: references ? { schema: schemaOf(references.table), name: references.table.name } : null,
      indexes: { ...indexes, ...unique },
      unique: Object.keys(unique),
      shape,
      nulls: column && (await countWithoutValue(ddl, { ident, column: column.ident, heapBytes, rowsEstimated })),
    });
  }
  return targets;
}

function teamOf(
  histories: readonly HistoryTable[],
  folder: MigrationsFolder | undefined,
  shapes: readonly TableShape[],
  plan: Plan,
): TeamMigration[] {
  const recorded = histories.flatMap(({ tool, migrations }) => migrations.map((one) => ({ tool, ...one })));
  const inFolder = (folder?.migrations ?? []).map((one) => ({ tool: folder?.tool ?? 'prisma', ...one }));
  const names = new Map(
    [...recorded, ...inFolder].map(({ tool, name }) => [`${tool} ${name}`, { tool, name }] as const),
  );
  return [...names.values()]
    .map(({ tool, name }): TeamMigration => {
      const record = recorded.find((one) => one.tool === tool && one.name === name);
      const file = inFolder.find((one) => one.tool === tool && one.name === name);
      const checksum = file && sha256(file.text);
      return {
        tool,
        name,
        state: record?.state ?? 'pending',
        script:
          file?.isSql === true ? { path: file.path, sha256: checksum ?? '', proof: prove(file.text, shapes) } : null,
        mentions: file && !file.isSql ? mentioned(file.text, plan) : [],
        edited: !record?.checksum || checksum === undefined ? null : record.checksum !== checksum,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const mentioned = (text: string, plan: Plan): string[] =>
  plan.tables
    .filter(({ table, target }) => text.includes(table.name) && text.includes(target.column))
    .map(({ table }) => formatTableName(table));

/** What of Highwater is here: schema, migrations, processes, leftovers. */
async function readOurs(
  { ddl, backends }: Database,
  id: string,
  hash: string,
): Promise<Pick<DatabaseFacts, 'installed' | 'registered' | 'othersLiving' | 'leftovers' | 'atWork'>> {
  const { rows, atWork, installed } = await readOnly(ddl, 'looking for schema highwater', async (client) => {
    const there = await client.query<{ there: boolean }>(
      `select to_regclass('highwater.migration') is not null as there`,
    );
    const working = await otherSessions(client, backends());
    const found = there.rows[0]?.there === true;
    const migrations = found
      ? (
          await client.query<{ id: string; short: string; phase: string; hash: string }>(
            `select id, short, phase, plan_hash as hash from highwater.migration order by id`,
          )
        ).rows
      : [];
    const names = new Set(working.map(({ application }) => application.split('/')[1] ?? application));
    return { rows: migrations, atWork: [...names], installed: found };
  });
  const own = rows.find((one) => one.id === id);
  const living = rows.filter(({ phase }) => phase !== 'finished');
  const left = (await leftoversOf(ddl)).filter(
    ({ short }) => !living.some((one) => one.short === short && one.id !== id),
  );
  return {
    installed,
    registered: own && { phase: own.phase, samePlan: own.hash === hash },
    atWork,
    othersLiving: living.filter((one) => one.id !== id).map((one) => one.id),
    leftovers: left.map((one) => ({ ...one, own: one.short === shortOf(id), removal: removalOf(one) })),
  };
}

const notARecord = (name: string): HighwaterError =>
  new HighwaterError(
    diagnosisCodes.historyTableUnknown,
    'never',
    `history table "${name}" is not there, or has not the shape of Prisma's, Knex's or TypeORM's record`,
    { name },
    'give its exact name, as schema.name outside public; or leave --history-table out, they are found by their shape',
  );
