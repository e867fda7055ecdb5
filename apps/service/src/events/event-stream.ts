import type { Response } from 'express';
import type { StoredEventView } from '@highwater/roles';
import { waitFor } from '../http/held-requests.js';

const askEveryMs = 250;
const beatEveryMs = 15_000;
const batchMax = 500;

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): every event after `after`, then each new one,
 * with its version as id, so that a reader that comes back with `Last-Event-ID` misses none. Ends when the signal fires.
 */
export async function writeEventStream(
  response: Response,
  read: (after: number, limit: number) => Promise<readonly StoredEventView[]>,
  after: number,
  signal: AbortSignal,
): Promise<void> {
  // the first read may refuse (no such migration): before the headers it still can be a problem+json
  let batch = await read(after, batchMax);
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  response.write('retry: 1000\n\n');
  let last = after;
  let beat = performance.now();
  while (!signal.aborted) {
    for (const event of batch) {
      response.write(`id: ${event.version}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      last = event.version;
      beat = performance.now();
    }
    if (performance.now() - beat > beatEveryMs) {
      response.write(': still here\n\n');
      beat = performance.now();
    }
    if (batch.length < batchMax && !(await waitFor(askEveryMs, signal))) break;
    if (response.writableNeedDrain) await drained(response, signal);
    if (!signal.aborted) batch = await read(last, batchMax);
  }
  response.end();
}

/** A reader that does not read must not fill our memory. */
const drained = (response: Response, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go);
      signal.removeEventListener('abort', go);
      resolve();
    };
    response.once('drain', go);
    signal.addEventListener('abort', go, { once: true });
  });
