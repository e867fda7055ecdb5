import { inWindow } from '../fill/one-snapshot.js';
import { keyTuple, parameterTuple, within, type RangeShape } from '../fill/statements.js';
import type { PlaceWindow } from '../fill/one-snapshot.js';
import type { FillTarget } from '../target.js';

/** Where the rows of one chunk are. */
export type ChunkPlace =
  | { readonly walk: 'keys'; readonly after: readonly string[] | null; readonly upTo: readonly string[] | null }
  | {
      readonly walk: 'blocks';
      readonly from: number;
      readonly to: number;
      readonly window?: PlaceWindow | undefined;
      /** Decided up to this key. */
      readonly afterKey?: readonly string[] | undefined;
    };

/** The place as conditions over `r`, and the values of their parameters, from `$1` on. */
export function placeConditions(
  t: FillTarget,
  place: ChunkPlace,
): { readonly conditions: readonly string[]; readonly values: readonly string[] } {
  if (place.walk === 'keys') {
    const shape: RangeShape = { after: place.after !== null, upTo: place.upTo !== null };
    return { conditions: within(t, shape), values: [...(place.after ?? []), ...(place.upTo ?? [])] };
  }
  const tid = (block: number): string => `'(${Number(block)},0)'::pg_catalog.tid`;
  const conditions = [`r.ctid >= ${tid(place.from)}`, `r.ctid < ${tid(place.to)}`];
  if (place.window) conditions.push(inWindow(place.window));
  if (place.afterKey && place.afterKey.length > 0) conditions.push(`${keyTuple(t, 'r')} > ${parameterTuple(t, 1)}`);
  return { conditions, values: place.afterKey ?? [] };
}
