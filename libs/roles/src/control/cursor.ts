import { Buffer } from 'node:buffer';
import { HighwaterError } from '@highwater/kernel';
import { badCursor } from './codes.js';

/** Where a page of a list ended: the list's number of a table or entity, and the place in it, by the index that holds it in order. */
export interface Place {
  readonly list: string;
  readonly number: number;
  readonly at: readonly (string | readonly string[])[];
}

/** Opaque to callers. */
export const cursorOf = ({ list, number, at }: Place): string =>
  Buffer.from(JSON.stringify([list, number, ...at])).toString('base64url');

/** Throws HW6023 for what `cursorOf` never gave: it comes from outside and goes into a statement's parameters. */
export function placeOf(cursor: string): Place {
  const [list, number, ...at] = parts(cursor);
  if (typeof list !== 'string' || !isNumber(number) || at.length === 0 || !at.every(isText)) throw notOurs();
  return { list, number, at };
}

/** What was read for a page is one row more where another page follows, so that `nextCursor` leads to no empty one. */
export function cutPage<Row>(
  read: readonly Row[],
  limit: number,
  placeAt: (last: Row) => Place,
): { readonly rows: readonly Row[]; readonly nextCursor: string | null } {
  const rows = read.slice(0, limit);
  const last = rows.at(-1);
  return { rows, nextCursor: last === undefined || read.length <= limit ? null : cursorOf(placeAt(last)) };
}

export const notOurs = (): HighwaterError =>
  new HighwaterError(
    badCursor,
    'never',
    'cursor is not a place in this list; expected nextCursor of an earlier page with the same filter',
    {},
    'ask without cursor to begin at the first row',
  );

function parts(cursor: string): readonly unknown[] {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(decoded) ? decoded : [];
  } catch {
    return [];
  }
}

const isNumber = (value: unknown): value is number => Number.isInteger(value) && Math.abs(value as number) < 1_000_000;
/** PostgreSQL's text has no NUL, and its arrays of texts none inside. */
const isText = (value: unknown): value is string | readonly string[] =>
  typeof value === 'string'
    ? !value.includes('\0')
    : Array.isArray(value) && value.every((part) => typeof part === 'string' && !part.includes('\0'));
