import { rowRefusal } from '../fill/row-error.js';

/**
 * Asks about many at once, and where the server refuses one of them about fewer, down to that one: the others are answered, it is named. Errors that would
 * hit any of them alike are thrown.
 */
export async function askAround<K, A>(
  all: readonly K[],
  ask: (some: readonly K[]) => Promise<readonly A[]>,
): Promise<{
  readonly answers: readonly A[];
  readonly refused: readonly { readonly asked: K; readonly error: unknown }[];
}> {
  const answers: A[] = [];
  const refused: { asked: K; error: unknown }[] = [];
  const segments = [all];
  for (let segment = segments.pop(); segment; segment = segments.pop()) {
    const [first] = segment;
    if (first === undefined) continue;
    try {
      answers.push(...(await ask(segment)));
    } catch (error) {
      if (rowRefusal(error) === undefined) throw error;
      const middle = Math.floor(segment.length / 2);
      if (middle === 0) refused.push({ asked: first, error });
      else segments.push(segment.slice(middle), segment.slice(0, middle));
    }
  }
  return { answers, refused };
}
