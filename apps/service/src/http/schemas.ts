import { formatDuration, parseDurationMs, unfillableReasons } from '@highwater/kernel';
import { limitBounds, unfillablePolicies } from '@highwater/plan';
import type { LockLimits } from '@highwater/roles';
import { z } from 'zod';

/** `500ms`, `10m` → milliseconds, between the bounds. */
export const duration = ({ min = 0, max }: { readonly min?: number; readonly max: number }) =>
  z
    .string()
    .meta({ description: 'A duration with its unit.', examples: ['500ms', '10m'] })
    .transform((text, context) => {
      const ms = parseDurationMs(text);
      if (ms !== undefined && ms >= min && ms <= max) return ms;
      const found = JSON.stringify(text.slice(0, 40));
      const bounds = `${formatDuration(min)} to ${formatDuration(max)}`;
      context.addIssue({
        code: 'custom',
        message: `expected a duration with a unit (500ms, 10s, 10m), ${bounds}; found ${found}`,
      });
      return z.NEVER;
    });

const reason = z.string().trim().min(1).max(500).meta({ description: 'Why; recorded with the event.' });

/** A body may be left out where nothing in it is needed. */
export const optionalReasonBody = z
  .strictObject({ reason: reason.optional() })
  .optional()
  .transform((body) => body ?? {});
export const reasonBody = z.strictObject({ reason });

export const approveBody = z.strictObject({
  reason,
  rowSecurity: z
    .boolean()
    .optional()
    .meta({ description: 'Of row level security, which follows enforcement; left out: of the cutover.' }),
});

export const planBody = z.union([
  z.string().min(1).meta({ description: 'The plan as YAML.' }),
  z.strictObject({ plan: z.string().min(1) }).transform(({ plan }) => plan),
]);

export const finishBody = z
  .strictObject({
    after: duration({ max: 7 * 86_400_000 }).optional(),
    bridgeUnused: z.boolean().optional(),
    withoutRowSecurity: z.boolean().optional(),
    reason: reason.optional(),
  })
  .optional()
  .transform((body) => body ?? {});

const number = ({ min, max }: { readonly min: number; readonly max: number }) => z.int().min(min).max(max);

export const cutoverBody = z.strictObject({
  reason,
  lockBudget: duration(limitBounds.lockBudget).optional(),
  lockAttempts: number(limitBounds.lockAttempts).optional(),
});

/** What one attempt may cost, as the process knows it. */
export const lockLimits = (body: z.output<typeof cutoverBody>): LockLimits => ({
  ...(body.lockBudget === undefined ? {} : { lockBudgetMs: body.lockBudget }),
  ...(body.lockAttempts === undefined ? {} : { lockAttempts: body.lockAttempts }),
});

/** The limits of a plan that may be changed while it runs, named as in the plan. */
export const limitsBody = z
  .strictObject({
    lockBudget: duration(limitBounds.lockBudget).optional(),
    rowBudget: duration(limitBounds.rowBudget).optional(),
    lockAttempts: number(limitBounds.lockAttempts).optional(),
    sweepWorkers: number(limitBounds.sweepWorkers).optional(),
    replicaLag: duration(limitBounds.replicaLag).optional(),
    chunkRowsMax: number(limitBounds.chunkRowsMax).optional(),
    sweepRowsPerSecondMax: number(limitBounds.sweepRowsPerSecondMax).optional(),
    reason: reason.optional(),
  })
  .refine(({ reason: _why, ...limits }) => Object.keys(limits).length > 0, { message: 'expected at least one limit' });

export const idParameter = z.string().min(1).max(100);
export const migrationQuery = z.string().min(1).max(63).optional();
const wholeNumber = (max: number, otherwise: number) => z.coerce.number().int().min(0).max(max).default(otherwise);
const page = {
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z
    .string()
    .min(1)
    .max(12_000)
    .optional()
    .meta({ description: '`nextCursor` of the page before; left out: the first page.' }),
  offset: wholeNumber(1_000_000_000, 0).meta({ description: 'Rows left out from there on; each of them is read.' }),
};
const table = z.string().min(1).max(200).meta({ description: 'With or without its schema.' });
const filter = {
  table: table.optional(),
  reason: z.enum(unfillableReasons).optional(),
};
/** Strict: a filter with a typing error would mean every row. */
export const unfillableFilter = z.strictObject(filter);
const listed = { ...filter, policy: z.enum(unfillablePolicies).optional() };
export const unfillableQuery = z.strictObject({ ...page, ...listed });
export const unfillableExportQuery = z.strictObject(listed);
export const verificationQuery = z.strictObject({ ...page, table: table.optional() });
export const forecastQuery = z.strictObject({ table: table.optional() });
export const eventsQuery = z.object({ after: wholeNumber(Number.MAX_SAFE_INTEGER, 0), limit: wholeNumber(1_000, 500) });
export const waitQuery = duration({ max: 60_000 }).optional();
