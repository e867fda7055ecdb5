import { afterEach, describe, expect, it } from 'vitest';
import { blocking, dropBridge, installBridge, runPreflight, type FillTarget } from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { majors, usePostgres } from '../support/stack.js';

/*
 * A trigger that fills a column can break the statement it means to help. Before enforcement NULL is legal, so ours never raises: it
 * leaves NULL and says so. What it cannot prevent (a key that the value completes, a check that judges it) preflight puts to the operator.
 */

const assign = { mode: 'assign', reports: true } as const;
const budget = { lockBudgetMs: 5_000, lockAttempts: 3 };

/** The same rule as a trigger that simply assigns; it runs as the bridge's owner does. */
const naiveTrigger = (owner: string): string => `
  create function naive() returns trigger language plpgsql security definer set row_security = off as $$
    begin new."workspaceId" := (select coalesce(g."workspaceId", g."orgId") from public."Group" g where g.id = new."groupId"); return new; end $$;
  alter function naive() owner to ${owner};
  create trigger naive before insert or update on "Activity" for each row when (new."workspaceId" is null) execute function naive()`;

/** g99 belongs to an organization that has no workspace. */
const orphan = `insert into "Organization" values ('organization-without-workspace'); insert into "Group" (id, "orgId") values ('g99', 'organization-without-workspace')`;
const withTarget = (type: string): string =>
  workspaceSchema.replace(/("groupId" text references "Group"), "workspaceId" text/, `$1, "workspaceId" ${type}`);

interface Hazard {
  readonly name: string;
  readonly schema?: string;
  readonly plan?: string;
  readonly breaks: (bridge: string) => string;
  readonly group?: string;
  /** What the application gets from the trigger that simply assigns. */
  readonly naive: string;
  readonly outcome: 'failed' | 'left_null';
}

const hazards: readonly Hazard[] = [
  {
    name: 'a privilege taken away',
    breaks: (bridge) => `revoke select ("orgId") on "Group" from ${bridge}`,
    naive: '42501',
    outcome: 'failed',
  },
  {
    name: 'a table of the rule renamed',
    breaks: () => `alter table "Group" rename to "Team"`,
    naive: '42P01',
    outcome: 'failed',
  },
  {
    name: 'a column of the rule renamed',
    breaks: () => `alter table "Group" rename "orgId" to "ownerId"`,
    naive: '42703',
    outcome: 'failed',
  },
  {
    name: 'row level security on a parent',
    breaks: () => `alter table "Group" enable row level security`,
    naive: '42501',
    outcome: 'left_null',
  },
  {
    name: 'a foreign key of the target without its parent',
    schema: withTarget('text references "Workspace"'),
    plan: workspacePlan.replace(/ {2}references: .*\n/, ''),
    breaks: () => orphan,
    group: 'g99',
    naive: '23503',
    outcome: 'left_null',
  },
];

describe.each(majors)('trap 5 on PostgreSQL %i: the bridge and the statements it serves', (major) => {
  const postgres = usePostgres({ major });
  let prepared: Prepared;
  afterEach(async () => {
    await prepared.admin.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active`);
    await prepared.close();
  });
  const start = async (schema = workspaceSchema, plan = workspacePlan): Promise<FillTarget> => {
    prepared = await prepare(await postgres.freshDatabase(), schema, plan);
    await prepared.admin.query(workspaceSeed);
    return prepared.targets.at(-1) as FillTarget;
  };
  /** What the bridge said, read from WAL as any consumer of the slot would. */
  const outcomes = async (): Promise<string[]> => {
    const { rows } = await prepared.admin.query<{ text: string }>(
      `select encode(data, 'escape') as text from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p', 'messages', 'true')
        where get_byte(data, 0) = ascii('M')`,
    );
    return rows.map(({ text }) => (JSON.parse(text.slice(text.indexOf('{'))) as { o: string }).o);
  };

  it.each(hazards)('survives $name', async ({ schema, plan, breaks, group = 'g1', naive, outcome }) => {
    const target = await start(schema, plan);
    const { admin, database, roles } = prepared;
    await admin.query(`create publication p`);
    await admin.query(`select pg_create_logical_replication_slot('s', 'pgoutput')`);
    await installBridge(database, target, assign, budget);
    await admin.query(breaks(roles.bridge));
    const before = await admin.query<{ n: number }>(`select count(*)::int as n from "Activity"`);

    await admin.query(`insert into "Activity" ("groupId", title) values ($1, 'one')`, [group]);
    await admin.query(`insert into "Activity" ("groupId", title) select $1, 'many' from generate_series(1, 3)`, [
      group,
    ]);
    await admin.query(`update "Activity" set title = 'renamed' where title = 'one'`);

    expect(await outcomes()).toEqual(Array(5).fill(outcome));
    // by hand: every row the application wrote is there, without a value
    const after = await admin.query(
      `select count(*)::int as n, count(*) filter (where title in ('renamed', 'many'))::int as written,
              count(*) filter (where title in ('renamed', 'many') and "workspaceId" is null)::int as nulls from "Activity"`,
    );
    expect(after.rows).toEqual([{ n: (before.rows[0]?.n ?? 0) + 4, written: 4, nulls: 4 }]);

    // the trap is real: the trigger that simply assigns takes the application's statement down
    await dropBridge(database, target, budget);
    await admin.query(naiveTrigger(roles.bridge));
    await expect(admin.query(`insert into "Activity" ("groupId") values ($1)`, [group])).rejects.toMatchObject({
      code: naive,
    });
  });
});

describe('trap 5: what the bridge cannot prevent', () => {
  const postgres = usePostgres();
  let prepared: Prepared;
  afterEach(() => prepared.close());

  it.each([
    ['a unique key', `create unique index once on "Activity" ("workspaceId", title)`, 'UniqueOnTarget', '23505'],
    [
      'a unique key by expression',
      `create unique index once on "Activity" (lower("workspaceId"), title)`,
      'UniqueOnTarget',
      '23505',
    ],
    [
      'a unique key for filled rows',
      `create unique index once on "Activity" (title) where "workspaceId" is not null`,
      'UniqueOnTarget',
      '23505',
    ],
    [
      'an exclusion',
      `alter table "Activity" add constraint once exclude ((coalesce("workspaceId", id::text) || title) with =)`,
      'UniqueOnTarget',
      '23P01',
    ],
    ['a check', `alter table "Activity" add constraint once check ("workspaceId" <> 'o2')`, 'CheckOnTarget', '23514'],
  ])('puts %s on the target to the operator before anything is installed', async (_, ddl, check, sqlstate) => {
    prepared = await prepare(await postgres.freshDatabase(), `${workspaceSchema}; ${ddl}`, workspacePlan);
    const { admin, database, plan } = prepared;
    const target = prepared.targets.at(-1) as FillTarget;
    await admin.query(workspaceSeed.replace(/;\s*insert into "Activity"[^;]*$/, ''));
    expect(blocking(await runPreflight({ ...prepared, kafka: { reachable: true } }))).toMatchObject([
      { check, acceptable: true, message: expect.stringContaining('once') as string },
    ]);
    // what is accepted by name: the completed key is the application's error
    const accepted = { ...prepared, plan: { ...plan, accept: [check] }, kafka: { reachable: true } as const };
    expect(blocking(await runPreflight(accepted))).toEqual([]);
    const insert = `insert into "Activity" ("groupId", title) values ('g1', 'same')`;
    await admin.query(`${insert}; ${insert}`);
    await installBridge(database, target, assign, budget);
    if (sqlstate !== '23514') await admin.query(`update "Activity" set title = title where id = 1`);
    await expect(admin.query(insert)).rejects.toMatchObject({ code: sqlstate });
  });
});
