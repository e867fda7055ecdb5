import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../support/engine-run.js';
import { catalogLines, finishedCatalog } from '../support/catalog-golden.js';
import { sampleGuards } from '../support/guard-sampler.js';
import { enforced, oldApplication, oracle } from '../support/old-application.js';
import { gone, runToBridged, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

/** In the order in which they come; each kills the process that got so far, and the next one finds what it left. */
const cutoverPoints = [
  'cutover.afterBegan',
  'cutover.afterFence',
  'cutover.afterGuard',
  'cutover.afterGuarded',
  'cutover.afterValidate',
  'cutover.setNotNullSent',
  'cutover.afterEnforced',
  // of the second table
  'cutover.guardSent',
  'cutover.afterSetNotNull',
  'cutover.afterIndex',
  'cutover.afterForeignKey',
];
const finishPoints = [
  'finish.afterJudged',
  'finish.afterSlot',
  'finish.afterPublication',
  'finish.afterTopics',
  'finish.afterNullIndex',
  'finish.bridgeSent',
  'finish.afterBridge',
];

describe('SIGKILL at each step', () => {
  it(
    'F13 F14 F16 F17 F18 one attempt and one finish go on from the catalog through a kill at every step of both',
    { timeout: 600_000 }, // eighteen processes, one after the other: seconds each on a busy machine
    async () => {
      const plan = quickPlan('killed-steps', { stream: true });
      run = await serviceRun(await postgres.freshDatabase(), plan, { kafka: true });
      const { admin } = run.prepared;
      const [first = '', ...others] = cutoverPoints;
      let service = await run.start({ failpoints: `${first}=kill` });
      await runToBridged(run, plan);
      const old = oldApplication(await run.client('old-app'), 15);
      const sampler = sampleGuards(await run.client('sampler'));
      const cutover = run.cutover(); // whether its answer is out before the first kill is nobody's promise
      for (const next of others) {
        expect(await gone(service, `the process to die at the step before ${next}`)).toBe('SIGKILL');
        service = await run.start({ failpoints: `${next}=kill` });
      }
      expect(await gone(service, 'the process to die at the last step of the cutover')).toBe('SIGKILL');
      const [firstOfFinish = '', ...othersOfFinish] = finishPoints;
      service = await run.start({ failpoints: `${firstOfFinish}=kill` });
      expect(await run.settled(await cutover)).toMatchObject({ status: 'succeeded' });
      await old.stop();
      expect(old.failed).toEqual([]);
      expect(old.statements()).toBeGreaterThan(100);
      const sampled = await sampler.stop();
      expect(sampled.unproven).toEqual([]);
      expect(sampled.guarded).toBeGreaterThan(0);
      expect((await admin.query(oracle)).rows).toEqual([enforced]);

      // one chain: nothing was begun, guarded or enforced twice, whichever process stored it
      const types = (await run.events()).map((event) => event.type);
      const times = (type: string): number => types.filter((one) => one === type).length;
      expect({
        began: times('CutoverBegan'),
        guarded: times('Guarded'),
        enforced: times('Enforced'),
        completed: times('CutoverCompleted'),
        failed: times('CutoverFailed'),
      }).toEqual({ began: 1, guarded: 2, enforced: 2, completed: 1, failed: 0 });

      const finishing = run.asked(`/migrations/${run.id}/finish`, { bridgeUnused: true });
      for (const next of othersOfFinish) {
        expect(await gone(service, `the process to die at the step of finish before ${next}`)).toBe('SIGKILL');
        service = await run.start({ failpoints: `${next}=kill` });
      }
      expect(await gone(service, 'the process to die at the last step of finish')).toBe('SIGKILL');
      await run.start();
      expect(await run.settled(String((await finishing).body['id']))).toMatchObject({ status: 'succeeded' });
      await waitFor('the catalog to be clean', async () =>
        (await catalogLines(admin)).every((line) => !line.includes('hw_')),
      );
      expect(await catalogLines(admin)).toEqual(finishedCatalog);
      const ends = (await run.events()).map((event) => event.type);
      expect(ends.filter((type) => type === 'Finished')).toHaveLength(1);
      // what was taken down is not reported as broken by a process that comes later
      expect(ends).not.toContain('StreamBroken');
    },
  );
});
