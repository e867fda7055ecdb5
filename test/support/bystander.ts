import pg from 'pg';

/** What a turn of the bystander takes on a machine that has time for it, at most. */
const turnMs = 50;

export interface Bystander {
  /** Milliseconds lost since it began; what was lost during a wait is the difference. */
  lostMs(): number;
  stop(): Promise<void>;
}

/**
 * Somebody who asks the server for nothing, again and again, beside a wait that is measured: what a turn takes too long was taken by the machine or by
 * the server as a whole, and is not what the waiter waited for.
 */
export async function bystander(url: string): Promise<Bystander> {
  const client = new pg.Client({ connectionString: url, application_name: 'bystander' });
  client.on('error', () => undefined);
  await client.connect();
  let [going, sum, began] = [true, 0, performance.now()];
  const lost = (): number => Math.max(0, performance.now() - began - turnMs);
  const done = (async () => {
    while (going) {
      await client.query('select 1');
      await new Promise((resolve) => setTimeout(resolve, 5));
      sum += lost();
      began = performance.now();
    }
    await client.end();
  })();
  done.catch(() => undefined); // told by `stop`
  return {
    lostMs: () => sum + lost(),
    async stop() {
      going = false;
      await done;
    },
  };
}

/** How long the work takes of itself: without what the machine lost meanwhile. Its error is thrown. */
export async function timeTaken(machine: Bystander, work: () => Promise<unknown>): Promise<number> {
  const [began, lost] = [performance.now(), machine.lostMs()];
  await work();
  return performance.now() - began - (machine.lostMs() - lost);
}
