import { must } from '@highwater/kernel';
import { parseFunctionName, parseTableKeyReference, parseTableName } from './names.js';
import { type PlanPath, formatPath } from './path.js';
import type { TableKeyReference, TableName } from './plan.js';
import type { PlanPositions } from './positions.js';
import type { LookupRule, Rule } from './rule.js';
import type { KeyReferenceInput, RuleInput, ScalarInput, TableNameInput } from './schema-rule.js';
import { parseTemplate } from './template.js';

export interface Builder {
  readonly positions: PlanPositions;
  refuse(path: PlanPath, message: string, help?: string): void;
}

export function buildRule(build: Builder, input: RuleInput, path: PlanPath): Rule {
  const within = (rule: RuleInput, ...below: PlanPath): Rule => buildRule(build, rule, [...path, ...below]);
  if (typeof input === 'string') return { kind: 'column', column: input };
  if ('column' in input) return { kind: 'column', column: input.column };
  if ('firstOf' in input)
    return { kind: 'firstOf', rules: input.firstOf.map((choice, i) => within(choice, 'firstOf', i)) };
  if ('constant' in input) return { kind: 'constant', value: asWritten(build, input.constant, [...path, 'constant']) };
  if ('lookup' in input) return buildLookup(build, input, path);
  if ('template' in input) {
    const template = parseTemplate(input.template);
    if ('parts' in template) return { kind: 'template', parts: template.parts };
    build.refuse([...path, 'template'], `${formatPath([...path, 'template'])}: ${template.problem}`);
    return { kind: 'template', parts: [] };
  }
  if ('map' in input) {
    const values = Object.entries(input.values).map(([from, to]) => ({
      from,
      to: asWritten(build, to, [...path, 'values', from]),
    }));
    if (values.length === 0) {
      const at = [...path, 'values'];
      build.refuse(at, `${formatPath(at)} is empty`, 'say what becomes of which value: values: { free: basic }');
    }
    return { kind: 'map', of: within(input.map, 'map'), values };
  }
  if ('function' in input) {
    return {
      kind: 'function',
      function: must(parseFunctionName(input.function), 'the schema let a function name through that does not parse'),
      arguments: (input.arguments ?? []).map((argument, i) => within(argument, 'arguments', i)),
      reads: Object.entries(input.reads ?? {}).map(([table, columns]) => ({ table: tableName(table), columns })),
    };
  }
  const columns = typeof input.via === 'string' ? [input.via] : input.via;
  const to = input.to === undefined ? undefined : keyReference(input.to);
  if (to !== undefined && to.columns.length !== columns.length) {
    build.refuse(
      [...path, 'to'],
      `${formatPath(path)} follows ${columns.length} column(s) to a key of ${to.columns.length}`,
    );
  }
  return {
    kind: 'via',
    columns,
    ...(to === undefined ? {} : { to }),
    ...(input.then === undefined ? {} : { then: within(input.then, 'then') }),
  };
}

function buildLookup(build: Builder, input: Extract<RuleInput, { lookup: unknown }>, path: PlanPath): LookupRule {
  if (input.take !== undefined && input.then !== undefined)
    build.refuse(
      [...path, 'then'],
      `${formatPath(path)} has both take and then`,
      'take: a is short for then: { column: a }',
    );
  const where = Object.entries(input.where).map(([theirs, ours]) => {
    if (typeof ours === 'string') return { theirs, ours };
    if ('column' in ours) return { theirs, ours: ours.column };
    return { theirs, constant: asWritten(build, ours.constant, [...path, 'where', theirs, 'constant']) };
  });
  if (where.length === 0) build.refuse([...path, 'where'], `${formatPath([...path, 'where'])} is empty`, whereHelp);
  else if (!where.some((condition) => 'ours' in condition))
    build.refuse(
      [...path, 'where'],
      `no condition in ${formatPath([...path, 'where'])} names a column of the row`,
      whereHelp,
    );
  const first = input.pick === 'single' ? undefined : input.pick.first;
  return {
    kind: 'lookup',
    table: tableName(input.lookup),
    where,
    ...(input.take === undefined ? {} : { take: input.take }),
    ...(input.then === undefined ? {} : { then: buildRule(build, input.then, [...path, 'then']) }),
    pick:
      first === undefined
        ? 'single'
        : { by: typeof first.by === 'string' ? [first.by] : first.by, order: first.order ?? 'asc' },
  };
}

const whereHelp = 'say which of their columns equals which of ours: where: { userId: actorUserId }';

/** As written: YAML would make 7 of 007 and 1000 of 1e3. */
const asWritten = (build: Builder, value: ScalarInput, path: PlanPath): string =>
  build.positions.textOf(path) ?? String(value);

export const tableName = (input: TableNameInput): TableName => {
  if (typeof input === 'string')
    return must(parseTableName(input), 'the schema let a table name through that does not parse');
  return input.schema === undefined ? { name: input.name } : { schema: input.schema, name: input.name };
};

const keyReference = (input: KeyReferenceInput): TableKeyReference =>
  typeof input === 'string'
    ? must(parseTableKeyReference(input), 'the schema let a key reference through that does not parse')
    : { table: tableName(input.table), columns: input.columns };
