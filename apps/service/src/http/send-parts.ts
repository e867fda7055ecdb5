import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/**
 * Sends an answer part by part, no faster than it is read. An error before the first part is a problem like any other; one after it ends the
 * connection before the body is whole, so that no client takes half a list for the list.
 */
export async function sendParts(response: Response, parts: AsyncGenerator<string, void>): Promise<void> {
  const first = await parts.next();
  if (first.done === true) response.end();
  else await pipeline(Readable.from(from(first.value, parts)), response);
}

async function* from(first: string, rest: AsyncGenerator<string, void>): AsyncGenerator<string, void> {
  yield first;
  yield* rest;
}
