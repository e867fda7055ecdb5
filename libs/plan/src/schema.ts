import { unfillableReasons } from '@highwater/kernel';
import { z } from 'zod';
import { limitBounds } from './limits.js';
import { typePattern } from './names.js';
import { unfillablePolicies } from './plan.js';
import { knownRuleKeys, name, names, rule, tableName } from './schema-rule.js';

/** The text of a plan as people write it. Defaults are merged in `build.ts`, so this is what editors complete and check. */

const typeName = z
  .string()
  .regex(typePattern)
  .meta({ description: 'As PostgreSQL writes it: text, uuid, bigint, character varying(40).' });
const duration = z
  .string()
  .regex(/^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/)
  .meta({ id: 'Duration', description: 'A number with a unit: 500ms, 10s, 10m, 2h, 1d.' });
const size = z
  .string()
  .regex(/^\d+(?:B|KiB|MiB|GiB|TiB)$/)
  .meta({ id: 'Size', description: 'A whole number with a unit: 512MiB, 20GiB.' });

const target = z.union([
  name,
  z.strictObject({ column: name.optional(), type: typeName.optional(), addColumn: z.boolean().optional() }),
]);
const references = z.union([
  z.literal('none'),
  z.strictObject({
    table: tableName.optional(),
    onDelete: z.enum(['restrict', 'cascade', 'setNull', 'noAction']).optional(),
  }),
]);
const indexes = z.record(name, names);

const settingName = z
  .string()
  .regex(/^[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+$/)
  .max(63)
  .meta({ description: 'A custom setting of the application, with its prefix: app.tenant_id.' });
const rowLevelSecurity = z.strictObject({
  policy: name,
  setting: settingName,
  for: z.array(name).min(1).optional(),
  force: z.boolean().optional(),
});

const policy = z.enum(unfillablePolicies);
const unfillable = z.union([policy, z.partialRecord(z.enum(unfillableReasons), policy)]).meta({
  description:
    'hold: rows without a value block readiness. leaveNull: they are listed and stay NULL. For all, or by reason.',
});

const defaults = z.strictObject({
  key: names.optional(),
  target: target.optional(),
  references: references.optional(),
  notNull: z.boolean().optional(),
});

const table = z.strictObject({
  table: tableName,
  key: names.optional(),
  target: target.optional(),
  references: references.optional(),
  notNull: z.boolean().optional(),
  unfillable: unfillable.optional(),
  rule,
  indexes: indexes.optional(),
  unique: indexes.optional(),
  rowLevelSecurity: rowLevelSecurity.optional(),
});

const entityValue = z
  .union([rule, z.strictObject({ now: z.literal(true) })])
  .meta({ description: 'A rule over the source row, or { now: true } for the moment of creation.' });

const entity = z.strictObject({
  table: tableName,
  from: tableName.meta({ description: 'The source: each of its rows has one; an earlier entity may be one.' }),
  key: z
    .record(name, rule)
    .meta({ description: 'Their identity: column of the entity to a rule over the source row.' }),
  values: z.record(name, entityValue).optional(),
  createdBy: z.enum(['highwater', 'application']).optional(),
  unfillable: unfillable
    .meta({
      description:
        'hold: sources of which none can be made block readiness. leaveNull: they are listed and have none. For all, or by reason.',
    })
    .optional(),
  indexes: indexes.optional(),
});

const cutover = z.strictObject({
  mode: z.enum(['bridge', 'strict']).optional(),
  start: z.enum(['manual', 'auto']).optional(),
  window: duration.optional(),
});

const bounded = ({ min, max }: { readonly min: number; readonly max: number }) => z.int().min(min).max(max);

const limits = z.strictObject({
  lockBudget: duration.optional(),
  rowBudget: duration.optional(),
  lockAttempts: bounded(limitBounds.lockAttempts).optional(),
  sweepWorkers: bounded(limitBounds.sweepWorkers).optional(),
  replicaLag: duration.optional(),
  chunkRowsMax: bounded(limitBounds.chunkRowsMax).optional(),
  sweepRowsPerSecondMax: bounded(limitBounds.sweepRowsPerSecondMax).optional(),
});

const stream = z.union([
  z.literal('none'),
  z.strictObject({
    partitions: z.int().min(1).max(256).optional(),
    retainedWal: size.optional(),
    atLimit: z.enum(['dropSlot', 'hold']).optional(),
    onBreak: z.enum(['rebuild', 'hold']).optional(),
  }),
]);

export const planSchema = z
  .strictObject({
    highwater: z.literal(1).meta({ description: 'Format version.' }),
    migration: z.string().meta({
      description: 'Its id in URLs, topics and logs: lower-case letters, digits and hyphens.',
      pattern: '^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$',
    }),
    defaults: defaults.optional(),
    entities: z.array(entity).max(100).optional().meta({ description: 'Rows made if absent, in this order.' }),
    tables: z.array(table).min(1).max(500),
    cutover: cutover.optional(),
    limits: limits.optional(),
    stream: stream.optional(),
    accept: z.array(z.string()).optional(),
    approvals: z.int().min(0).max(10).optional(),
    journal: z.boolean().optional(),
    repair: z.boolean().optional(),
    assertions: z
      .record(z.string().min(1).max(100), z.string().min(1).max(10_000))
      .optional()
      .meta({ description: 'Name → one SELECT that answers one row with 0; read only, with a timeout.' }),
  })
  .meta({ title: 'Highwater plan' });

export type PlanInput = z.infer<typeof planSchema>;
export type TableInput = PlanInput['tables'][number];
export type EntityInput = NonNullable<PlanInput['entities']>[number];

/** Keys that may stand at a place, by the name of the place; for "did you mean". */
export const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(planSchema.shape),
  defaults: Object.keys(defaults.shape),
  tables: Object.keys(table.shape),
  entities: Object.keys(entity.shape),
  target: ['column', 'type', 'addColumn'],
  references: ['table', 'onDelete'],
  rowLevelSecurity: Object.keys(rowLevelSecurity.shape),
  unfillable: unfillableReasons,
  cutover: Object.keys(cutover.shape),
  limits: Object.keys(limits.shape),
  stream: ['partitions', 'retainedWal', 'atLimit', 'onBreak'],
  ...knownRuleKeys,
  table: ['schema', 'name'],
};

/** JSON Schema (draft 2020-12) of the plan file, for editors: `# yaml-language-server: $schema=…`. */
export function planJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(planSchema, { io: 'input' }) as Record<string, unknown>;
}
