import { isMigrationId, parseBytes, parseDurationMs } from '@highwater/kernel';
import { type Builder, buildRule, tableName } from './build-rule.js';
import { buildEntity } from './build-entity.js';
import { buildUnfillable } from './build-unfillable.js';
import { defined } from './defined.js';
import { planCodes } from './codes.js';
import { limitBounds } from './limits.js';
import { type PlanPath, formatPath } from './path.js';
import type { Limits, Plan, PlanIssue, PlannedRowSecurity, PlannedTable, StreamSettings } from './plan.js';
import type { PlanPositions } from './positions.js';
import type { PlanInput, TableInput } from './schema.js';

/** Merges defaults into a plan whose shape the schema has checked; what only the merged plan shows is an issue. */
export function buildPlan(input: PlanInput, positions: PlanPositions): Plan | { issues: PlanIssue[] } {
  const issues: PlanIssue[] = [];
  const build: Builder = {
    positions,
    refuse: (path, message, help) =>
      issues.push(
        positions.issueAt(path, { code: planCodes.BadValue, message, ...(help === undefined ? {} : { help }) }),
      ),
  };
  if (!isMigrationId(input.migration)) {
    const message = `migration name ${JSON.stringify(input.migration)} is not usable; expected lower-case letters, digits and hyphens, starting with a letter, at most 63`;
    issues.push(positions.issueAt(['migration'], { code: planCodes.BadMigrationName, message }));
  }
  const plan: Plan = {
    migration: input.migration as Plan['migration'],
    entities: (input.entities ?? []).map((entity, i) => buildEntity(build, entity, ['entities', i])),
    tables: input.tables.map((table, i) => buildTable(build, table, input.defaults ?? {}, ['tables', i])),
    cutover: {
      mode: input.cutover?.mode ?? 'bridge',
      start: input.cutover?.start ?? 'manual',
      windowMs: milliseconds(build, input.cutover?.window, ['cutover', 'window'], 600_000, 1, 30 * 86_400_000),
    },
    limits: buildLimits(build, input.limits ?? {}),
    stream: input.stream === 'none' ? null : buildStream(build, input.stream ?? {}),
    accept: input.accept ?? [],
    approvals: input.approvals ?? 0,
    journal: input.journal ?? false,
    repair: input.repair ?? false,
    assertions: input.assertions ?? {},
  };
  return issues.length > 0 ? { issues } : plan;
}

function buildTable(
  build: Builder,
  input: TableInput,
  defaults: NonNullable<PlanInput['defaults']>,
  path: PlanPath,
): PlannedTable {
  const target = { ...targetInput(defaults.target), ...targetInput(input.target) };
  if (target.column === undefined || target.type === undefined) {
    const missing = target.column === undefined ? 'column' : 'type';
    build.refuse(
      [...path, 'target'],
      `${formatPath(path)} has no target ${missing}`,
      `say it in the table or under defaults: { target: { ${missing}: … } }`,
    );
  }
  const key = input.key ?? defaults.key;
  const references = buildReferences(build, input.references, defaults.references, [...path, 'references']);
  return {
    table: tableName(input.table),
    ...(key === undefined ? {} : { key }),
    target: { column: target.column ?? '', type: target.type ?? '', addColumn: target.addColumn ?? false },
    ...(references === undefined ? {} : { references }),
    notNull: input.notNull ?? defaults.notNull ?? true,
    ...buildUnfillable(input.unfillable),
    rule: buildRule(build, input.rule, [...path, 'rule']),
    indexes: input.indexes ?? {},
    unique: input.unique ?? {},
    ...(input.rowLevelSecurity === undefined ? {} : { rowLevelSecurity: buildRowSecurity(input.rowLevelSecurity) }),
  };
}

const buildRowSecurity = (input: NonNullable<TableInput['rowLevelSecurity']>): PlannedRowSecurity => ({
  policy: input.policy,
  setting: input.setting,
  roles: input.for ?? [],
  force: input.force ?? false,
});

type TargetParts = Exclude<NonNullable<TableInput['target']>, string>;
const targetInput = (input: TableInput['target']): TargetParts =>
  typeof input === 'string' ? { column: input } : defined(input ?? {});

function buildReferences(
  build: Builder,
  own: TableInput['references'],
  byDefault: TableInput['references'],
  path: PlanPath,
): PlannedTable['references'] {
  if (own === 'none' || (own === undefined && (byDefault === undefined || byDefault === 'none'))) return undefined;
  const merged = { ...(byDefault === 'none' ? {} : defined(byDefault ?? {})), ...defined(own ?? {}) };
  if (merged.table === undefined) {
    build.refuse(path, `${formatPath(path)} names no table`, 'say references: { table: … }, or references: none');
    return undefined;
  }
  return {
    table: tableName(merged.table),
    onDelete: merged.onDelete ?? 'restrict',
    onDeleteSaid: merged.onDelete !== undefined,
  };
}

function buildLimits(build: Builder, input: NonNullable<PlanInput['limits']>): Limits {
  const time = (key: 'lockBudget' | 'rowBudget' | 'replicaLag', byDefault: number): number =>
    milliseconds(build, input[key], ['limits', key], byDefault, limitBounds[key].min, limitBounds[key].max);
  return {
    lockBudgetMs: time('lockBudget', 500),
    rowBudgetMs: time('rowBudget', 200),
    lockAttempts: input.lockAttempts ?? 5,
    sweepWorkers: input.sweepWorkers ?? 2,
    replicaLagMs: time('replicaLag', 10_000),
    chunkRowsMax: input.chunkRowsMax ?? 10_000,
    sweepRowsPerSecondMax: input.sweepRowsPerSecondMax ?? 0,
  };
}

function buildStream(build: Builder, input: Exclude<NonNullable<PlanInput['stream']>, 'none'>): StreamSettings {
  const retainedWalBytes = parseBytes(input.retainedWal ?? '20GiB') ?? 0n;
  if (retainedWalBytes < 1n << 26n) {
    build.refuse(
      ['stream', 'retainedWal'],
      `stream.retainedWal is ${input.retainedWal}; expected at least 64MiB, four WAL segments`,
    );
  }
  return {
    partitions: input.partitions ?? 4,
    retainedWalBytes,
    atLimit: input.atLimit ?? 'dropSlot',
    onBreak: input.onBreak ?? 'rebuild',
  };
}

function milliseconds(
  build: Builder,
  text: string | undefined,
  path: PlanPath,
  byDefault: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return byDefault;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < min || ms > max) {
    build.refuse(path, `${formatPath(path)} is ${text}; expected ${min}ms to ${max}ms`);
    return byDefault;
  }
  return ms;
}
