import type { z } from 'zod';
import { planCodes } from './codes.js';
import { type PlanPath, formatPath } from './path.js';
import type { PlanIssue } from './plan.js';
import type { PlanPositions } from './positions.js';
import { ruleKinds } from './schema-rule.js';
import { knownKeys } from './schema.js';
import { suggest } from './suggest.js';

type Issue = z.core.$ZodIssue;

const aRule = `a rule: a column name, or one of ${ruleKinds.map((kind) => `{ ${kind} }`).join(', ')}`;

/** What belongs at a place, in the plan's words; the last key of the path names the place. */
const expectedAt: Readonly<Record<string, string>> = {
  rule: aRule,
  then: aRule,
  map: aRule,
  arguments: 'a list of rules',
  lookup: 'a table as Name or schema.Name',
  where: 'a map from their column to ours, or to { constant }',
  take: 'a column name',
  pick: 'single, or { first: { by, order } }',
  first: '{ by: a column name, order: asc or desc }',
  by: 'a column name, or a list of them',
  template: 'a text with {column} in it',
  values: 'a map from value to value',
  function: 'a function as schema.name or schema.name(type, type)',
  reads: 'a map from table to a list of columns',
  firstOf: 'a list of rules',
  table: 'a table as Name or schema.Name',
  via: 'a column name, or a list of them',
  to: 'a table and its key, as in Group(id)',
  key: 'a list of column names',
  from: 'a table as Name or schema.Name',
  'entity key': 'a map from column to rule',
  'entity values': 'a map from column to rule, or to { now: true }',
  'entity value': `${aRule}, or { now: true }`,
  target: 'a column name, or { column, type, addColumn }',
  type: 'a type as PostgreSQL writes it: text, uuid, bigint',
  references: 'none, or { table, onDelete }',
  stream: 'none, or { partitions, retainedWal, atLimit, onBreak }',
  window: 'a duration with a unit: 500ms, 10s, 10m, 2h, 1d',
  lockBudget: 'a duration with a unit: 500ms',
  rowBudget: 'a duration with a unit: 200ms',
  replicaLag: 'a duration with a unit: 10s',
  retainedWal: 'a size with a unit: 512MiB, 20GiB',
  constant: 'a text, a number, true or false',
  highwater: '1, the format version',
  indexes: 'a map from index name to a list of columns',
};

/** Turns what the schema found into issues with a place, an expectation and a suggestion. */
export function placeSchemaIssues(issues: readonly Issue[], data: unknown, positions: PlanPositions): PlanIssue[] {
  const flat = issues.flatMap((issue) => flatten(issue, [], data));
  const meant = new Set(flat.flatMap(({ issue, path }) => keysMeant(issue, path)));
  // `rul:` is one mistake: an unknown key, not a missing one as well.
  return flat
    .filter(({ path }) => valueAt(data, path) !== undefined || !meant.has(formatPath(path)))
    .flatMap(({ issue, path }) => describe(issue, path, data, positions));
}

function keysMeant(issue: Issue, path: PlanPath): string[] {
  if (issue.code !== 'unrecognized_keys') return [];
  const near = issue.keys.map((key) => suggest(key, knownKeys[placeName(path)] ?? []));
  return near.flatMap((key) => (key === undefined ? [] : [formatPath([...path, key])]));
}

interface Placed {
  readonly issue: Issue;
  readonly path: PlanPath;
}

/** A union reports every branch; the one that comes nearest to what was written is the one to talk about. */
function flatten(issue: Issue, base: PlanPath, data: unknown): Placed[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  if (issue.code !== 'invalid_union') return [{ issue, path }];
  const branches = issue.errors.map((errors) => errors.flatMap((error) => flatten(error, path, data)));
  const score = (branch: Placed[]): number => branch.reduce((sum, placed) => sum + distance(placed, path, data), 0);
  const nearest = branches.reduce((best, branch) => (score(branch) < score(best) ? branch : best), branches[0] ?? []);
  return score(nearest) >= wrongKind ? [{ issue: { ...issue, errors: [] } as Issue, path }] : nearest;
}

const wrongKind = 1000;

function distance({ issue, path }: Placed, base: PlanPath, data: unknown): number {
  if (issue.code === 'unrecognized_keys') return issue.keys.length;
  if (valueAt(data, path) === undefined) return 10;
  const wrongHere = issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union';
  return wrongHere && path.length === base.length ? wrongKind : 1;
}

function describe(issue: Issue, path: PlanPath, data: unknown, positions: PlanPositions): PlanIssue[] {
  const place = path.length === 0 ? 'the plan' : formatPath(path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const known = knownKeys[placeName(path)] ?? [];
      const near = suggest(key, known);
      return positions.issueAtKey([...path, key], {
        code: planCodes.UnknownKey,
        message: `unknown key ${JSON.stringify(key)} in ${place}`,
        notes: known.length > 0 ? [`known here: ${known.join(', ')}`] : [],
        ...(near === undefined ? {} : { help: `did you mean "${near}"?` }),
      });
    });
  }
  const value = valueAt(data, path);
  if (value === undefined && path.length > 0) {
    const key = String(path[path.length - 1]);
    const where = path.length === 1 ? 'the plan' : formatPath(path.slice(0, -1));
    return [
      positions.issueAt(path, {
        code: planCodes.BadValue,
        message: `${JSON.stringify(key)} is missing in ${where}`,
        ...expectedHelp(path),
      }),
    ];
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => positions.issueAtKey(path, { code: planCodes.BadName, message: inner.message }));
  }
  if (issue.code === 'custom') {
    const code = issue.params?.['badName'] === true ? planCodes.BadName : planCodes.BadValue;
    return [positions.issueAt(path, { code, message: `${place}: ${issue.message}` })];
  }
  return [
    positions.issueAt(path, {
      code: planCodes.BadValue,
      message: `${place} is ${show(value)}; expected ${expected(issue, path)}`,
      ...quoteHelp(issue, path, value),
    }),
  ];
}

function expected(issue: Issue, path: PlanPath): string {
  if (issue.code === 'invalid_value') return issue.values.map(String).join(' or ');
  if (issue.code === 'too_small') return `at least ${issue.minimum}${issue.origin === 'array' ? ' of them' : ''}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}${issue.origin === 'array' ? ' of them' : ''}`;
  const known = expectedAt[placeName(path)];
  if (known !== undefined && typeof path[path.length - 1] !== 'number') return known;
  if (issue.code === 'invalid_type') return expectedTypes[issue.expected] ?? `a ${issue.expected}`;
  return known ?? 'another value';
}

const expectedTypes: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'a name or text',
  int: 'a whole number',
  boolean: 'true or false',
};

const expectedHelp = (path: PlanPath): { help?: string } => {
  const known = expectedAt[placeName(path)];
  return known === undefined ? {} : { help: `expected ${known}` };
};

/** YAML reads 12, true and null as what they are; a column of that name needs quotes. */
function quoteHelp(issue: Issue, path: PlanPath, value: unknown): { help?: string } {
  const scalar = typeof value === 'number' || typeof value === 'boolean' || value === null;
  const unit = /duration|size/.test(expectedAt[placeName(path)] ?? '');
  return issue.code === 'invalid_type' && issue.expected === 'string' && scalar && !unit
    ? { help: `if that is the name, write it in quotes: "${String(value)}"` }
    : {};
}

const show = (value: unknown): string => {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value === null) return 'empty';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** The keys of an entity's `key` and `values` are column names, so they name no place. */
function placeInEntity(path: PlanPath): string | undefined {
  if (path[0] !== 'entities' || (path[2] !== 'key' && path[2] !== 'values')) return undefined;
  if (path.length === 3) return `entity ${path[2]}`;
  return path.length === 4 ? (path[2] === 'key' ? 'rule' : 'entity value') : undefined;
}

function placeName(path: PlanPath): string {
  const inEntity = placeInEntity(path);
  if (inEntity !== undefined) return inEntity;
  const last = [...path].reverse().find((part) => typeof part === 'string');
  return typeof last === 'string' ? last : '';
}

function valueAt(data: unknown, path: PlanPath): unknown {
  let value = data;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
