import type { Access } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { sqlstateOf } from '../session/sqlstate.js';
import type { FillHint } from './fill-batch.js';
import { keyColumns } from './key-text.js';
import { castHints, type Keyed } from './statements.js';

/**
 * Positions of the hints whose key or transaction id does not cast, found by halving. Hints are untrusted: one of them must not
 * stop the batch, and must not be listed as a row.
 */
export async function deadLetters(
  fill: Access,
  target: Keyed,
  hints: readonly Pick<FillHint, 'key' | 'xid'>[],
): Promise<Set<number>> {
  const width = target.derivation.key.length;
  const dead = new Set<number>();
  const segments: number[][] = [
    [...hints.keys()].filter((i) => {
      const fits = hints[i]?.key.length === width;
      if (!fits) dead.add(i);
      return fits;
    }),
  ];
  const text = castHints(target);
  for (let segment = segments.pop(); segment; segment = segments.pop()) {
    const chosen = segment.map((i) => hints[i] as Pick<FillHint, 'key' | 'xid'>);
    if (chosen.length === 0 || (await casts(fill, text, chosen, width))) continue;
    if (segment.length === 1) {
      dead.add(segment[0] as number);
      continue;
    }
    const middle = Math.floor(segment.length / 2);
    segments.push(segment.slice(0, middle), segment.slice(middle));
  }
  return dead;
}

async function casts(
  fill: Access,
  text: string,
  hints: readonly Pick<FillHint, 'key' | 'xid'>[],
  width: number,
): Promise<boolean> {
  return fill.session('casting keys', async (client) => {
    try {
      await client.query(text, [
        ...keyColumns(
          hints.map((hint) => hint.key),
          width,
        ),
        hints.map((hint) => hint.xid),
      ]);
      return true;
    } catch (error) {
      const state = sqlstateOf(error);
      // class 22: not of its type; 23: not of its domain
      if (state?.startsWith('22') || state?.startsWith('23')) return false;
      throw databaseError(error, 'casting keys');
    }
  });
}
