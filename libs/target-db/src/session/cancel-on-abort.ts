import type { Access, Client } from './database.js';

const cancelEveryMs = 250;

/**
 * Has the server cancel what `client` waits for once `signal` is aborted: over another session of the same access role, which may.
 * Repeated until `stop()`, since a cancel that arrives before the statement began is lost; so a session that was cancelled is not lent again.
 */
export function cancelOnAbort(access: Access, client: Client, signal: AbortSignal | undefined): { stop(): void } {
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
  return {
    stop() {
      signal?.removeEventListener('abort', begin);
      clearInterval(again);
    },
  };
}
