import { literal } from '../ddl/names.js';
import type { FillTarget } from '../target.js';

/*
 * The journal of a plan that asks for one: each value by key, written by the very statement that writes the value, so that there is no value
 * of ours without its entry. Without a journal every statement is the text it was.
 */

/** Key of the row under `alias` as the journal has it. */
export const journalKey = (t: FillTarget, alias: string): string =>
  `array[${t.derivation.key.map((k) => `${alias}.${k.ident}::pg_catalog.text`).join(', ')}]`;

/** For RETURNING, behind what is there. */
export const returningEntry = (t: FillTarget, alias: string): string =>
  t.derivation.journal === true
    ? `, ${journalKey(t, alias)} as key, ${alias}.${t.derivation.target.ident}::pg_catalog.text as value`
    : '';

/** Enters what `from` returned; a value that a trigger took back is none. */
export const enterFrom = (t: FillTarget, from: string): string =>
  `insert into highwater.journal (migration_id, target_no, key, value) select ${literal(t.migrationId)}, ${t.targetNo}, j.key, j.value from ${from} as j where j.value is not null`;

/** The same as one more part of a WITH. */
export const journaled = (t: FillTarget, from: string): string =>
  t.derivation.journal === true ? `, journaled as (${enterFrom(t, from)})` : '';
