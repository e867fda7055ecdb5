import { type Builder, buildRule, tableName } from './build-rule.js';
import { type PlanPath, formatPath } from './path.js';
import type { PlannedColumn, PlannedEntity } from './plan.js';
import { buildUnfillable } from './build-unfillable.js';
import type { EntityInput } from './schema.js';
import type { RuleInput } from './schema-rule.js';

export function buildEntity(build: Builder, input: EntityInput, path: PlanPath): PlannedEntity {
  const key = Object.entries(input.key).map(([column, rule]) => ({
    column,
    rule: buildRule(build, rule, [...path, 'key', column]),
  }));
  if (key.length === 0) {
    const at = [...path, 'key'];
    build.refuse(at, `${formatPath(at)} is empty`, 'say which of its columns make one: key: { id: orgId }');
  }
  const values = Object.entries(input.values ?? {}).map(([column, value]): PlannedColumn => {
    const at = [...path, 'values', column];
    if (Object.hasOwn(input.key, column)) build.refuse(at, `${formatPath(at)} is part of the key already`);
    return { column, rule: isNow(value) ? { kind: 'now' } : buildRule(build, value, at) };
  });
  if (input.createdBy === 'application' && input.unfillable !== undefined)
    build.refuse(
      [...path, 'unfillable'],
      `${formatPath([...path, 'unfillable'])} is about rows that we make, and the application makes these`,
      'leave it out: a source without an identity is waited for by nobody',
    );
  return {
    table: tableName(input.table),
    from: tableName(input.from),
    key,
    values,
    createdBy: input.createdBy ?? 'highwater',
    ...buildUnfillable(input.unfillable),
    indexes: input.indexes ?? {},
  };
}

const isNow = (value: RuleInput | { now: true }): value is { now: true } => typeof value === 'object' && 'now' in value;
