import { noValueReasons, unfillableReasons } from '@highwater/kernel';
import { z } from 'zod';

const text = z.string();
const count = z.number();
const rows = { rows: count, keys: z.array(z.array(text)), sql: text };

/** For the OpenAPI document, as views.ts. */
export const forecastView = z.object({
  migration: text,
  kept: z.boolean().meta({ description: 'Made when the migration was started; else as of now.' }),
  takenAt: z.iso.datetime(),
  notes: z.array(text),
  entities: z.array(
    z.object({
      table: text,
      from: text,
      createdBy: z.enum(['highwater', 'application']),
      sources: count.nullable(),
      existing: count,
      missing: count,
      withoutIdentity: z.array(z.object({ reason: z.enum(noValueReasons), ...rows })),
      notes: z.array(text),
    }),
  ),
  tables: z.array(
    z.object({
      table: text,
      target: text,
      sampledPercent: count.nullable().meta({ description: 'null: every row was looked at.' }),
      rowsSeen: count.nullable().meta({ description: 'null: nothing could be known, notes say why.' }),
      rows: count,
      alreadySet: count,
      filled: count,
      branches: z.array(z.object({ branch: text, rows: count })),
      unfillable: z.array(z.object({ reason: z.enum(unfillableReasons), ...rows })),
      referentMissing: z.object(rows).nullable(),
      collisions: z.array(z.object({ index: text, planned: z.boolean(), groups: count, refused: count, ...rows })),
      notes: z.array(text),
      outcome: z
        .object({ filled: count, unfillable: count, nulls: count.nullable() })
        .nullable()
        .meta({ description: 'null: not started yet, or not measured yet.' }),
    }),
  ),
});
