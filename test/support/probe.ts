import type pg from 'pg';

/** One small statement every few milliseconds; answers the longest that one took. */
export function probe(
  client: pg.Client,
  text: string,
  everyMs = 5,
): { stop(): Promise<{ count: number; worstMs: number; failed: unknown[] }> } {
  const failed: unknown[] = [];
  let going = true;
  let [count, worstMs] = [0, 0];
  const done = (async () => {
    while (going) {
      const began = performance.now();
      await client.query(text).catch((error: unknown) => failed.push(error));
      worstMs = Math.max(worstMs, performance.now() - began);
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    async stop() {
      going = false;
      await done;
      return { count, worstMs: Math.round(worstMs), failed };
    },
  };
}
