import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const conditions = ['highwater-source'];
const resolve = { conditions };
const ssr = { resolve: { conditions } };

/** Fault specs take longest; begun last, one of them would keep the other workers waiting. Files of a project stay together: a worker keeps its modules. */
class FaultsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const byName = ({ project }: TestSpecification): number => (project.name === 'fault' ? 0 : 1);
    return (await super.sort(files)).sort((a, b) => byName(a) - byName(b));
  }
}

/**
 * One cluster per test worker (an open transaction anywhere in a cluster blocks slot creation there), so few workers; four keep two cores busy (three 73 %), since a test mostly waits.
 * `npm test` leaves out the projects whose names end in `-long`.
 * The files of a project share the modules of their worker (`isolate: false`): loading them anew for each file took a fifth of the time. So a spec
 * leaves nothing behind: what it sets in `process.env` it takes back, and support modules keep no state.
 * The limits of tests and hooks are for what nobody waits for by name: a wait gives up long before (`patienceMs` of test/support/stack.ts) and says who is
 * stuck. A machine with other work to do takes its time, so neither is near what a test needs.
 */
export default defineConfig({
  resolve,
  ssr,
  test: {
    sequence: { sequencer: FaultsFirst },
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          isolate: false,
          sequence: { groupOrder: 0 },
          include: [
            'libs/*/src/**/*.spec.ts',
            'apps/*/src/**/*.spec.ts',
            'test/architecture.spec.ts',
            'test/failpoints.spec.ts',
            'test/chaos/checker/*.spec.ts',
          ],
          // property tests take a second; on a machine with other work to do they take their time
          testTimeout: 60_000,
          environment: 'node',
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'integration',
          isolate: false,
          sequence: { groupOrder: 1 },
          include: ['test/**/*.int.spec.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 4,
          globalSetup: ['test/global-setup.ts'],
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'fault',
          isolate: false,
          sequence: { groupOrder: 1 },
          include: ['test/fault/*.fault.spec.ts'],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers: 4,
          globalSetup: ['test/global-setup.ts'],
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'fault-long',
          sequence: { groupOrder: 4 },
          include: ['test/fault/long/*.fault.spec.ts'],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          globalSetup: ['test/global-setup.ts'],
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'chaos-long',
          sequence: { groupOrder: 5 },
          include: ['test/chaos/**/*.chaos.spec.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          globalSetup: ['test/global-setup.ts'],
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          sequence: { groupOrder: 3 },
          include: ['test/**/*.e2e.spec.ts'],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers: 3, // a file a run of one migration, which waits half of its time
          globalSetup: ['test/global-setup.ts'],
        },
      },
    ],
  },
});
