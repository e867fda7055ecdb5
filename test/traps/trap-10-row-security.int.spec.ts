import { afterEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import {
  blocking,
  buildNullIndex,
  countNulls,
  createRanges,
  fillBatch,
  fillChunk,
  guardTable,
  leaseRange,
  openGate,
  runPreflight,
  verifyRange,
  type FillTarget,
} from '@highwater/target-db';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

/*
 * A role that row level security blinds sees no NULL row, no parent and no row of a hint: false zeros all, and none says so. Our
 * sessions set row_security = off, which makes the server refuse the statement instead.
 */

/** Policies for a tenant that no session of ours names: everything is hidden. */
const hide = (table: string, force = ''): string =>
  `alter table "${table}" enable row level security; ${force && `alter table "${table}" force row level security;`}
   create policy own on "${table}" using (current_setting('app.tenant', true) = 'me')`;
const visibleNulls = `select count(*)::int as n from public."Activity" where "workspaceId" is null`;
/** By hand, as superuser: rows without value, rows filled, and what is in force. */
const oracle = `select count(*) filter (where "workspaceId" is null)::int as nulls, count("workspaceId")::int as filled,
  (select count(*)::int from pg_constraint where conrelid = '"Activity"'::regclass and contype in ('c', 'n') and conname like 'hw%') as checks from "Activity"`;
const refused = { message: expect.stringMatching(/row-level security/) as string };

describe('trap 10: row level security', () => {
  const postgres = usePostgres();
  let prepared: Prepared;
  afterEach(() => prepared.close());
  const start = async (): Promise<FillTarget> => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin, database } = prepared;
    await admin.query(workspaceSeed);
    const target = prepared.targets.at(-1) as FillTarget;
    await buildNullIndex(database, target);
    await openGate(database.state, target, ['live', 'sweep']);
    await createRanges(database.fill, target, { epoch: 1, workers: 1, chunkRowsMax: 1_000 });
    return target;
  };
  const asRole = async <T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({
      connectionString: Object.assign(new URL(prepared.url), { username: role, password: 'secret' }).href,
    });
    await client.connect();
    return work(client).finally(() => client.end());
  };
  /** Each way in which we look at rows, by the access that does it in the product. */
  const looks = (target: FillTarget): Record<string, () => Promise<unknown>> => {
    const { fill } = prepared.database;
    const budget = { rowBudgetMs: 400 };
    return {
      count: () => countNulls(fill, target),
      sweep: async () => {
        const lease = await leaseRange(fill, {
          migrationId: target.migrationId,
          epoch: 1,
          owner: 'test',
          targetNos: [target.targetNo],
        });
        if (!lease) throw new Error('a range is open');
        return fillChunk(fill, target, lease, { rows: 500, budget, naming: 'ctid', sparse: false });
      },
      'live fill': () => fillBatch(fill, target, [{ key: ['1'], xid: '3', partition: 0 }], budget),
      verification: () => verifyRange(fill, target, null, 500),
    };
  };

  it('is real: the very roles that see 200 NULL rows see none, without an error', async () => {
    await start();
    const { admin, roles } = prepared;
    expect(await asRole(roles.fill, async (client) => (await client.query(visibleNulls)).rows)).toEqual([{ n: 200 }]);
    await admin.query(hide('Activity', 'force'));
    for (const role of [roles.fill, roles.ddl])
      expect(await asRole(role, async (client) => (await client.query(visibleNulls)).rows)).toEqual([{ n: 0 }]);
    expect((await admin.query(oracle)).rows).toEqual([{ nulls: 200, filled: 0, checks: 0 }]);
  });

  it.each(['Activity', 'Group'])(
    'makes every look of ours an error while it hides rows of %s, and changes nothing',
    async (table) => {
      const target = await start();
      const { admin } = prepared;
      await admin.query(hide(table));
      for (const [name, look] of Object.entries(looks(target))) {
        // rows without value are counted in the table alone
        if (name === 'count' && table !== 'Activity') continue;
        await expect(look(), name).rejects.toMatchObject(refused);
      }
      expect((await admin.query(oracle)).rows).toEqual([{ nulls: 200, filled: 0, checks: 0 }]);
      expect((await admin.query(`select from highwater.unfillable_row`)).rowCount).toBe(0);
    },
  );

  it('is refused by preflight with the statement that mends it, and then everything is seen', async () => {
    const target = await start();
    const { admin, roles } = prepared;
    await admin.query(hide('Activity', 'force'));
    const request = { ...prepared, kafka: { reachable: true } as const };
    const found = blocking(await runPreflight(request)).filter((one) => one.check === 'RowLevelSecurity');
    expect(found.map((one) => one.fixSql).sort()).toEqual(
      [roles.bridge, roles.ddl, roles.fill].map((role) => `alter role ${role} bypassrls`).sort(),
    );
    await admin.query(found.map((one) => one.fixSql).join(';'));
    expect(blocking(await runPreflight({ ...request, plan: { ...prepared.plan, accept: ['CheckOnTarget'] } }))).toEqual(
      [],
    );
    expect(await countNulls(prepared.database.fill, target)).toBe(200n);
    const [row] = (await admin.query(oracle)).rows as { nulls: number }[];
    expect(row?.nulls).toBe(200);
  });

  it.each([
    ['under FORCE, for the proof behind the lock too', 'force', ['fill', 'bridge', 'ddl']],
    ['without FORCE, for those that are no member of the owner', '', ['fill', 'bridge']],
  ] as const)('is met in advance by the grants that init prints %s', async (_, force, blind) => {
    await start();
    const { admin, roles } = prepared;
    await admin.query(hide('Activity', force));
    await prepared.grantFor(workspacePlan);
    const { rows } = await admin.query(`select rolname from pg_roles where rolbypassrls and rolname = any($1)`, [
      Object.values(roles),
    ]);
    expect(rows.map((one: { rolname: string }) => one.rolname).sort()).toEqual(blind.map((one) => roles[one]).sort());
    const found = await runPreflight({ ...prepared, kafka: { reachable: true } });
    expect(blocking(found).filter((one) => one.check === 'RowLevelSecurity')).toEqual([]);
  });

  it('never lets the proof behind the lock pass unseen: a forced policy hides the rows from their owner too', async () => {
    const target = await start();
    const { admin, database } = prepared;
    await admin.query(hide('Activity', 'force'));
    await expect(guardTable(database, target, { lockBudgetMs: 10_000, lockAttempts: 1 })).rejects.toMatchObject(
      refused,
    );
    expect((await admin.query(oracle)).rows).toEqual([{ nulls: 200, filled: 0, checks: 0 }]);
  });
});

describe('trap 10 through the whole product', () => {
  const postgres = usePostgres();
  let run: Run | undefined;
  afterEach(() => run?.close());

  it('stops being ready when row level security is turned on under it, and is refused the cutover', async () => {
    run = await startRun(await postgres.freshDatabase(), quickPlan('blinded'));
    const { engine, id } = run;
    const { admin } = run.prepared;
    await run.until('bridged');
    await run.ready();
    await admin.query(`${hide('Activity')}; insert into "Activity" (title) values ('hidden, and without value')`);
    const readiness = await waitFor(
      'readiness to say that it cannot count',
      async () => {
        const now = await engine.control.readiness(id);
        const counted = now.conditions.find((one) => one.type === 'NullCountZero');
        return counted?.status === 'Unknown' && now;
      },
      { describe: async () => (await engine.control.readiness(id)).conditions },
    );
    expect(readiness.ready).toBe(false);
    await expect(run.cutover(readiness.generation)).rejects.toMatchObject({
      code: expect.stringMatching(/^HW601[126]$/) as string,
    });
    expect((await admin.query(oracle)).rows).toMatchObject([{ nulls: 1, checks: 0 }]);
  });
});
