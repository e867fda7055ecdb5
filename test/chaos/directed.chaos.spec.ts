import { afterEach, describe, expect, it } from 'vitest';
import { oldApplication } from '../support/old-application.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { broken, directedRun, streamOpen, type DirectedRun } from './directed-run.js';
import { auditSettings } from './record/audit.js';

const cluster = usePostgres({ settings: { ...auditSettings, max_connections: '200' } });
let directed: DirectedRun | undefined;
afterEach(async () => {
  await directed?.close();
  directed = undefined;
});

describe('the checker beside a run', () => {
  it('a whole run with the old application writing breaks no invariant', async () => {
    directed = await directedRun(await cluster.freshDatabase('whole'), 'whole');
    const { run } = directed;
    const application = oldApplication(await run.client('application'));
    await run.until('bridged');
    const generation = await run.ready();
    expect((await run.cutover(generation)).status).toBe('succeeded');
    await application.stop();
    const verdicts = await directed.judge(
      Object.fromEntries(application.failed.map((error) => [String((error as { code?: string }).code), 1])),
    );
    expect(broken(verdicts)).toEqual([]);
    // a run in which nothing could have gone wrong proves nothing
    const judged = Object.fromEntries(verdicts.map((one) => [one.invariant, one.judged]));
    for (const invariant of ['I1', 'I2', 'I3', 'I4', 'I6', 'I11', 'I15', 'I16', 'I19', 'I21'])
      expect([invariant, (judged[invariant] ?? 0) > 0]).toEqual([invariant, true]);
  });
});
void [waitFor, streamOpen];
