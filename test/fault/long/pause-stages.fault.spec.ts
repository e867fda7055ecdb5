import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan, startRun, type Run } from '../../support/engine-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';

const postgres = usePostgres();
let run: Run | undefined;
afterEach(() => run?.close());

const by = { actor: { name: 'test', method: 'os' as const }, reason: 'test' };
const seed = `insert into "Organization" select 'o' || g, 'org' from generate_series(1, 3) g; insert into "Workspace" select id, name from "Organization";
  insert into "Group" (id, "orgId", name) select 'g' || g, 'o' || (g % 3 + 1), 'group' from generate_series(1, 9) g;
  insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'activity' from generate_series(1, 6000) g;
  create schema audit; grant usage on schema audit to public; create table audit.fill (n bigint generated always as identity, title text);
  create function audit.note() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin if current_setting('application_name') like 'highwater%' then insert into audit.fill (title) values (new.title); end if; return null; end $$;
  create trigger audit_fill after update on "Activity" for each row execute function audit.note()`;

/** Rows of ours that are committed, of history and of rows inserted meanwhile. */
async function fills({ prepared: { admin } }: Run): Promise<{ history: number; inserted: number }> {
  const { rows } = await admin.query<{ history: number; inserted: number }>(
    `select count(*) filter (where title = 'activity')::int as history, count(*) filter (where title = 'new')::int as inserted from audit.fill`,
  );
  return rows[0] ?? { history: 0, inserted: 0 };
}
const insert = (here: Run): Promise<unknown> =>
  here.prepared.admin.query(`insert into "Activity" ("groupId", title) values ('g1', 'new')`);
async function acknowledged(here: Run, verb: 'pause' | 'halt' | 'resume'): Promise<void> {
  const { id } = await here.engine.control[verb](here.id, by);
  await waitFor(
    `${verb} to be acknowledged`,
    async () => (await here.engine.control.operation(id))?.status === 'succeeded',
    {
      timeoutMs: 30_000,
    },
  );
}

describe('pause and halt are true when acknowledged', () => {
  it(
    'F100 in the middle of the sweep: after pause no row of history, after halt no row at all, and everything after resume',
    { timeout: 180_000 },
    async () => {
      const plan = quickPlan('stages', { stream: true }).concat(
        'limits: { sweepRowsPerSecondMax: 800, chunkRowsMax: 100 }\naccept: [TriggerOnUpdate]\n',
      );
      const here = (run = await startRun(await postgres.freshDatabase(), plan, { seed, kafka: true }));
      await waitFor('history to be filled', async () => (await fills(here)).history > 300, { timeoutMs: 60_000 });

      await acknowledged(here, 'pause');
      const paused = await fills(here);
      expect(paused.history).toBeLessThan(6_000);
      // live fill goes on while the sweep is paused: its commits show that time has passed
      for (let n = 1; n <= 10; n += 1) {
        await insert(here);
        await waitFor('an inserted row to be filled while paused', async () => (await fills(here)).inserted >= n, {
          timeoutMs: 30_000,
        });
      }
      expect((await fills(here)).history).toBe(paused.history);

      await acknowledged(here, 'halt');
      const halted = await fills(here);
      for (let n = 0; n < 10; n += 1) await insert(here);
      // the fence of a halted migration does not come back, so what has passed is told by the server's own clock: ten evaluations
      const at = async (): Promise<string> => (await here.engine.control.readiness(here.id)).evaluatedAt;
      for (let seen = await at(), n = 0; n < 10; n += 1) {
        const before = seen;
        seen = await waitFor('the next evaluation', async () => ((await at()) === before ? undefined : at()));
      }
      expect(await fills(here)).toEqual(halted);

      await acknowledged(here, 'resume');
      await here.until('bridged');
      await waitFor('the rows inserted while halted', async () => (await fills(here)).inserted >= 20, {
        timeoutMs: 60_000,
      });
      const { rows } = await here.prepared.admin.query(
        `select count(*)::int as nulls from "Activity" where "workspaceId" is null`,
      );
      expect(rows).toEqual([{ nulls: 0 }]);

      // bridged and halted: a cutover is refused, and nothing of ours changes
      await acknowledged(here, 'halt');
      const rested = await fills(here);
      await expect(here.cutover((await here.engine.control.readiness(here.id)).generation)).rejects.toMatchObject({
        code: 'HW6019',
      });
      expect(await fills(here)).toEqual(rested);
    },
  );
});
