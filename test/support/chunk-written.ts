import type { ChunkOutcome } from '@highwater/target-db';
import { patienceMs } from './stack.js';

/**
 * A chunk that a busy machine cut off wrote nothing and moved no cursor: it is asked for again, as the sweeper does. With the same number
 * of rows, since what they come to is what is looked at.
 */
export async function chunkWritten(
  ask: () => Promise<ChunkOutcome>,
): Promise<Exclude<ChunkOutcome, { readonly kind: 'slow' }>> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline;) {
    const outcome = await ask();
    if (outcome.kind !== 'slow') return outcome;
  }
  throw new Error(`for ${patienceMs / 1_000} s every try of the chunk was cut off by its row budget`);
}
