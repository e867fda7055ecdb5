import type { FillTarget } from '../target.js';
import { enterFrom, journaled, returningEntry } from './journal.js';
import { keyTexts, relation, where, type RowNaming } from './statements.js';

/*
 * The statements of the fill transaction on one snapshot (REPEATABLE READ): a row that changed since the snapshot raises 40001 instead
 * of being written with a value of another time.
 */

/** A part of the rows of a page, by a hash of their place, 0 … 1023: the same row has the same place until it is written. */
export interface PlaceWindow {
  readonly from: number;
  readonly width: number;
}

export const inWindow = ({ from, width }: PlaceWindow): string =>
  `(((pg_catalog.hashtid(r.ctid) & 1023) - ${Number(from)}) & 1023) < ${Number(width)}`;

/** Rows whose rule has a value, joined with their parents; only for a rule that is given as joins. Rows without a value are not touched. */
export function fillJoined(t: FillTarget, naming: RowNaming, place: readonly string[]): string {
  const { target, join } = t.derivation;
  if (!join) throw new Error('this rule is not given as joins');
  // as CASE, which the planner takes for every second row: as IS NULL it goes by statistics that are older than the column
  const empty = `case when r.${target.ident} is null then true end`;
  const update = `update ${relation(t, naming)} as r set ${target.ident} = ${join.value} from ${join.from}${where([
    join.on,
    ...place,
    empty,
    `${join.value} is not null`,
  ])}`;
  if (t.derivation.journal !== true) return update;
  return `with written as (${update} returning r.${target.ident} is null as still${returningEntry(t, 'r')}) ${enterFrom(t, 'written')}`;
}

/**
 * The same with the rule's look-ups, supposing that each row has a value. A row without one would be written as NULL over NULL and is counted
 * as `still`: the transaction must then be rolled back. Not while a bridge is installed: it would take that NULL for the application's.
 */
export function fillSupposed(t: FillTarget, naming: RowNaming, place: readonly string[]): string {
  const { target, expression } = t.derivation;
  return `with written as (update ${relation(t, naming)} as r set ${target.ident} = (${expression})${where([
    ...place,
    `r.${target.ident} is null`,
  ])} returning r.${target.ident} is null as still${returningEntry(t, 'r')})${journaled(t, 'written')} select pg_catalog.count(*)::pg_catalog.int4 as written, pg_catalog.count(*) filter (where still)::pg_catalog.int4 as still from written`;
}

/** What the sweep writes first: shown by `plan`. */
export const sweepStatement = (t: FillTarget): string =>
  t.derivation.join ? fillJoined(t, 'ctid', []) : fillSupposed(t, 'ctid', []);

/** Rows of the place that are NULL after the write, and why: `reason` is NULL when something suppressed the write. */
export const leftInPlace = (t: FillTarget, naming: RowNaming, place: readonly string[]): string =>
  `select ${keyTexts(t, 'r')}, (${t.derivation.reason})::pg_catalog.text as reason from ${relation(t, naming)} as r${where(
    [...place, `r.${t.derivation.target.ident} is null`],
  )}`;
