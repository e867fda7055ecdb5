import { z } from 'zod';
import { nameProblem, parseFunctionName, parseTableKeyReference, parseTableName } from './names.js';

/** Rules as people write them, and the names in them. */

export const name = z
  .string()
  .superRefine((text, context) => {
    const problem = nameProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, params: { badName: true } });
  })
  .meta({ id: 'Name', description: 'An exact name as PostgreSQL stores it, never quoted.' });

const tableText = z.string().refine((text) => parseTableName(text) !== undefined, {
  message: 'expected a table as Name or schema.Name (a name with a dot in it: { schema: …, name: … })',
});

export const tableName = z
  .union([tableText, z.strictObject({ schema: name.optional(), name })])
  .meta({ id: 'TableName', description: 'Name or schema.Name; without a schema, public.' });

export const names = z.array(name).min(1).max(32);
const nameOrNames = z.union([name, names]);

const keyReference = z.union([
  z.string().refine((text) => parseTableKeyReference(text) !== undefined, {
    message: 'expected a table and its key, as in Group(id)',
  }),
  z.strictObject({ table: tableName, columns: names }),
]);

export const scalar = z.union([z.string(), z.number(), z.boolean()]);

const columnRule = z.strictObject({ column: name });
const constantRule = z.strictObject({ constant: scalar });
const viaRule = z.strictObject({
  via: nameOrNames,
  to: keyReference.optional(),
  get then(): z.ZodOptional<z.ZodType<RuleInput>> {
    return rule.optional();
  },
});
const firstOfRule = z.strictObject({
  get firstOf(): z.ZodArray<z.ZodType<RuleInput>> {
    return z.array(rule).min(1);
  },
});

const pickOrder = z.strictObject({ by: nameOrNames, order: z.enum(['asc', 'desc']).optional() });
const pickFirst = z.strictObject({ first: pickOrder });
const lookupRule = z.strictObject({
  lookup: tableName,
  where: z.record(name, z.union([name, columnRule, constantRule])),
  take: name.optional(),
  get then(): z.ZodOptional<z.ZodType<RuleInput>> {
    return rule.optional();
  },
  pick: z
    .union([z.literal('single'), pickFirst])
    .meta({ description: 'What to do when several rows match: all agree on one value, or the first in an order.' }),
});

const templateRule = z.strictObject({
  template: z.string().max(1_000).meta({
    description: 'Text with {column}, {column|before:@}, {column|hash:8}; braces that mean themselves are doubled.',
  }),
});

const mapRule = z.strictObject({
  get map(): z.ZodType<RuleInput> {
    return rule;
  },
  values: z.record(z.string(), scalar).meta({ description: 'From the value as text to the value of the target.' }),
});

const functionRule = z.strictObject({
  function: z
    .string()
    .refine((text) => parseFunctionName(text) !== undefined, {
      message: 'expected a function as name, schema.name or schema.name(type, type)',
    })
    .meta({
      description: 'An existing function that the configuration allows: app.tenant_of, or app.tenant_of(uuid).',
    }),
  get arguments(): z.ZodOptional<z.ZodArray<z.ZodType<RuleInput>>> {
    return z.array(rule).max(16).optional();
  },
  reads: z
    .record(tableText, names)
    .optional()
    .meta({ description: 'Tables and columns that the function reads, to be granted and watched.' }),
});

export type ScalarInput = string | number | boolean;
export type TableNameInput = string | { schema?: string | undefined; name: string };
export type KeyReferenceInput = string | { table: TableNameInput; columns: string[] };
export type RuleInput =
  | string
  | { column: string }
  | { via: string | string[]; to?: KeyReferenceInput | undefined; then?: RuleInput | undefined }
  | { firstOf: RuleInput[] }
  | { constant: ScalarInput }
  | {
      lookup: TableNameInput;
      where: Record<string, string | { column: string } | { constant: ScalarInput }>;
      take?: string | undefined;
      then?: RuleInput | undefined;
      pick: 'single' | { first: { by: string | string[]; order?: 'asc' | 'desc' | undefined } };
    }
  | { template: string }
  | { map: RuleInput; values: Record<string, ScalarInput> }
  | { function: string; arguments?: RuleInput[] | undefined; reads?: Record<string, string[]> | undefined };

const branches = {
  column: columnRule,
  via: viaRule,
  firstOf: firstOfRule,
  lookup: lookupRule,
  template: templateRule,
  map: mapRule,
  constant: constantRule,
  function: functionRule,
} as const;

/** The key that says which kind a rule is. */
export const ruleKinds = Object.keys(branches) as readonly (keyof typeof branches)[];

export const rule: z.ZodType<RuleInput> = byKind(
  z.union([name, ...Object.values(branches)]).meta({
    id: 'Rule',
    description: 'How the value follows from the row and its relatives; a bare name is { column: name }.',
  }),
);

/** Only the branch that the key names: to try them all would double the work with every rule within a rule. */
function byKind<T extends z.ZodType>(union: T): T {
  const tryAll = union._zod.run;
  union._zod.run = (payload, context) => {
    const { value } = payload;
    const kinds = typeof value === 'object' && value !== null ? ruleKinds.filter((kind) => kind in value) : [];
    const [kind] = kinds;
    const run = kind !== undefined && kinds.length === 1 ? branches[kind]._zod.run : tryAll;
    return run(payload, context);
  };
  return union;
}
const ruleKeys = [...ruleKinds, 'to', 'then', 'where', 'take', 'pick', 'values', 'arguments', 'reads'];

/** Keys that may stand at a place within a rule, by the name of the place; for "did you mean". */
export const knownRuleKeys: Readonly<Record<string, readonly string[]>> = {
  rule: ruleKeys,
  then: ruleKeys,
  firstOf: ruleKeys,
  map: ruleKeys,
  arguments: ruleKeys,
  to: ['table', 'columns'],
  lookup: ['schema', 'name'],
  pick: Object.keys(pickFirst.shape),
  first: Object.keys(pickOrder.shape),
};
