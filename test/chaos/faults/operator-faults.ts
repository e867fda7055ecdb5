import { randomUUID } from 'node:crypto';
import { migration, type World } from '../world.js';

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const acknowledgedMsMax = 60_000;

/** Asks until somebody takes it, under one key, and waits until it is done. Answers why not, if so. */
async function act(world: World, verb: string): Promise<string | undefined> {
  const key = randomUUID();
  let id: unknown;
  for (const deadline = Date.now() + acknowledgedMsMax; Date.now() < deadline; await wait(50)) {
    if (id === undefined) {
      const answer = await world.services.ask(`/migrations/${migration}/${verb}`, {
        body: { reason: 'chaos' },
        headers: { 'idempotency-key': key },
      });
      if (answer && answer.status >= 400) return `${verb} refused: ${String(answer.body['code'])}`;
      if (answer?.status === 202) id = answer.body['id'];
      continue;
    }
    const operation = await world.services.ask(`/operations/${String(id)}`);
    if (operation?.body['status'] === 'succeeded') return undefined;
    if (operation?.body['status'] === 'failed') return `${verb} failed`;
  }
  return `${verb} was not acknowledged within ${acknowledgedMsMax / 1_000} s`;
}

/** Stopped for a moment, as an operator does who wants to look. */
export async function stopAndResume(world: World, verb: 'pause' | 'halt', random: () => number): Promise<string> {
  const refused = await act(world, verb);
  const acknowledgedAt = Date.now();
  if (refused === undefined) await wait(1_000 + random() * 2_000);
  const endedAt = Date.now();
  if (refused === undefined) world.recording.stopped({ verb, acknowledgedAt, endedAt });
  const resumed = await act(world, 'resume');
  return refused ?? resumed ?? `${Math.round(endedAt - acknowledgedAt)} ms`;
}
