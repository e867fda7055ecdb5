import type { Access, Client } from './database.js';

const cancelEveryMs = 250;

/**
 * Runs `work`, and has the server cancel what it waits for once `signal` is aborted: over another session of the same access role, which may. So
 * `client` is a lasting session of `access`: were it one of the few, those that wait would leave none to cancel them with.
 * Repeated until `work` has ended, since a cancel that arrives before the statement began is lost; so a session that was cancelled is not lent again:
 * what is thrown here ends it.
 */
export async function cancelledBy<T>(
  access: Access,
  client: Client,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const pid = (client as Client & { processID?: number | null }).processID ?? undefined;
  let again: NodeJS.Timeout | undefined;
  const cancel = (): void => {
    access.query('cancelling a long statement', 'select pg_cancel_backend($1::int4)', [pid]).catch(() => undefined);
  };
  const begin = (): void => {
    if (pid === undefined) return;
    cancel();
    again = setInterval(cancel, cancelEveryMs);
  };
  signal?.addEventListener('abort', begin, { once: true });
  if (signal?.aborted === true) begin();
  try {
    const result = await work();
    signal?.throwIfAborted();
    return result;
  } finally {
    signal?.removeEventListener('abort', begin);
    clearInterval(again);
  }
}
