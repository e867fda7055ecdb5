import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../../support/engine-run.js';
import { enforced, oldApplication, oracle } from '../../support/old-application.js';
import { runToBridged, serviceRun, type ServiceRun } from '../../support/service-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

/** Class of the advisory lock of whoever leads: "hwld". */
const leaderClass = 0x68776c64;

/** Which process leads and which one's relay reads, as the server sees their sessions. */
async function active(run: ServiceRun): Promise<{ leads: string[]; reads: string[] }> {
  const named = async (statement: string): Promise<string[]> =>
    (await run.prepared.admin.query<{ name: string }>(statement)).rows.map(({ name }) => name.split('/')[1] ?? name);
  return {
    leads: await named(
      `select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'advisory' and l.classid = ${leaderClass} and l.objid = 1 and l.granted
          and l.database = (select oid from pg_database where datname = current_database())`,
    ),
    reads: await named(
      `select a.application_name as name from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid where s.database = current_database()`,
    ),
  };
}

describe('two services on one migration', () => {
  it(
    'F94 one leads and one relay reads, the other stands by and says so; with the first killed it goes on to enforced and finished',
    { timeout: 180_000 },
    async () => {
      const plan = quickPlan('two-services', { stream: true });
      const here = (run = await serviceRun(await postgres.freshDatabase(), plan, { kafka: true }));
      const { admin } = here.prepared;
      const first = await here.start();
      await waitFor('the first to lead', async () => (await active(here)).leads[0] === 'run-1');
      await here.start();
      await runToBridged(here, plan);
      const old = oldApplication(await here.client('old-app'), 15);
      await waitFor('one relay to read', async () => (await active(here)).reads.length === 1);
      // each process has a relay; the one that does not read says that it stands by, and anybody's status shows it
      await waitFor('the other relay to say that it stands by', async () => {
        const { rows } = await admin.query<{ instance: string; state: string }>(
          `select instance, state from highwater.worker_report where role = 'relay' and seen_at > clock_timestamp() - interval '5 seconds'`,
        );
        return rows.length === 2 && rows.filter((row) => row.state === 'standby').length === 1;
      });
      expect(await active(here)).toEqual({ leads: ['run-1'], reads: [expect.stringMatching(/^run-[12]$/)] });

      // asked at the standby, which is the newest; the leader dies with the request accepted
      const cutover = await here.cutover();
      await first.kill('SIGKILL');
      expect(await here.settled(cutover)).toMatchObject({ status: 'succeeded' });
      await waitFor('the second to lead and to read', async () => {
        const { leads, reads } = await active(here);
        return leads[0] === 'run-2' && reads[0] === 'run-2';
      });
      await old.stop();
      expect(old.failed).toEqual([]);
      expect((await admin.query(oracle)).rows).toEqual([enforced]);
      const types = (await here.events()).map((event) => event.type);
      expect(
        types.filter((type) => ['CutoverBegan', 'CutoverCompleted', 'SweepCompleted', 'Bridged'].includes(type)),
      ).toEqual(['SweepCompleted', 'Bridged', 'CutoverBegan', 'CutoverCompleted']);
      const { body } = await here.asked(`/migrations/${here.id}/finish`, { bridgeUnused: true });
      expect(await here.settled(String(body['id']))).toMatchObject({ status: 'succeeded', result: { leftovers: [] } });
    },
  );
});
