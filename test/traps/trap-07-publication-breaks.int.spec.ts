import { afterEach, describe, expect, it } from 'vitest';
import { createPublication, dropPublication, type PublicationRequest } from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { majors, unique, usePostgres } from '../support/stack.js';
import { twoTargets, twoTargetsSchema as schema, withoutIdentity } from '../support/two-targets.js';

/*
 * A publication is part of the application's table: published updates want a replica identity, filters and column lists want it to hold
 * their columns, and a listed column cannot be dropped. Ours publishes inserts alone, the key alone, once per table.
 */

describe.each(majors)('trap 7 on PostgreSQL %i: a publication and the statements of the application', (major) => {
  const postgres = usePostgres({ major });
  let prepared: Prepared;
  afterEach(async () => {
    await prepared.admin.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active`);
    await prepared.close();
  });
  const start = async (ddl: string): Promise<void> => {
    prepared = await prepare(await postgres.freshDatabase(), ddl, twoTargets(workspacePlan));
    await prepared.admin.query(workspaceSeed);
  };
  const decode = (slot: string, publications: string): string =>
    `select count(*) filter (where get_byte(data, 0) = ascii('I'))::int as inserts, count(*) filter (where get_byte(data, 0) in (ascii('U'), ascii('D'), ascii('T')))::int as others
       from pg_logical_slot_get_binary_changes('${slot}', null, null, 'proto_version', '1', 'publication_names', '${publications}')`;

  it.each([
    [
      'updates without a replica identity',
      withoutIdentity,
      'for table "Activity"',
      `update "Activity" set title = 'x'`,
      '55000',
    ],
    [
      'a row filter outside of the identity',
      schema,
      'for table "Activity" where ("workspaceId" is null)',
      `update "Activity" set title = 'x'`,
      '42P10',
    ],
    ['a column list without the key', schema, 'for table "Activity" (title)', `delete from "Activity"`, '42P10'],
    [
      'a listed column',
      schema,
      `for table "Activity" (id, note) with (publish = 'insert')`,
      'alter table "Activity" drop column note',
      '2BP01',
    ],
  ])('is real: %s', async (_, ddl, naive, statement, sqlstate) => {
    await start(ddl);
    const { admin } = prepared;
    await admin.query(statement.startsWith('alter') ? 'select 1' : `begin; ${statement}; rollback`);
    await admin.query(`create publication naive ${naive}`);
    await expect(admin.query(statement)).rejects.toMatchObject({ code: sqlstate });
  });

  it('is real: one publication per target stops decoding for good', async () => {
    await start(schema);
    const { admin } = prepared;
    const slot = `naive_${unique()}`;
    await admin.query(
      `create publication naive1 for table "Activity" (id) with (publish = 'insert'); create publication naive2 for table "Activity" (id, "orgId") with (publish = 'insert')`,
    );
    await admin.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
    await admin.query(`insert into "Activity" ("groupId") values ('g1')`);
    await expect(admin.query(decode(slot, 'naive1,naive2'))).rejects.toMatchObject({ code: '0A000' });
    await expect(admin.query(decode(slot, 'naive1,naive2'))).rejects.toMatchObject({ code: '0A000' });
  });

  it('leaves every statement of the application alone, without a replica identity and with two targets', async () => {
    await start(withoutIdentity);
    const { admin, database, plan, targets } = prepared;
    const activity = targets.filter(({ derivation: d }) => d.table.name === 'Activity').map(({ derivation: d }) => d);
    const name = `hw_${targets[0]?.short ?? ''}`;
    const request: PublicationRequest = {
      name,
      migrationId: plan.migration,
      planHash: 'hash',
      tables: activity.slice(0, 1).map((d) => ({
        ident: d.table.ident,
        key: d.key.map((column) => column.ident),
        targets: activity.map((each) => each.target.ident),
      })),
    };
    await createPublication(database.ddl, request);
    await admin.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
    const statements = [
      `insert into "Activity" ("groupId", title) values ('g1', 'one'), ('g2', 'two')`,
      `insert into "Activity" (id, "groupId", "workspaceId", "orgId") values (9001, 'g1', 'o2', 'o2')`,
      `insert into "Activity" (id, "groupId", "workspaceId") values (9002, 'g1', 'o2')`,
      `insert into "Activity" (id, "groupId") values (9003, 'g1') on conflict (id) do update set title = 'upsert'`,
      `insert into "Activity" (id, "groupId") values (9003, 'g1') on conflict (id) do update set title = 'upsert'`,
      `merge into "Activity" a using (values (9004), (9003)) as v (id) on a.id = v.id when matched then update set title = 'merged' when not matched then insert (id, title) values (v.id, 'merged')`,
      `update "Activity" set title = 'other column'`,
      `update "Activity" set "workspaceId" = null, "orgId" = null where id = 9001`,
      `update "Activity" set "workspaceId" = 'o2' where id = 9001`,
      `update "Activity" set id = id + 20000 where id < 100`,
      `delete from "Activity" where id between 100 and 110`,
      `alter table "Activity" drop column note`,
      `alter table "Activity" rename title to headline`,
      `alter table "Activity" alter headline type varchar(200)`,
      `alter table "Activity" add column extra int not null default 7`,
      `alter table "Activity" replica identity full`,
      `alter table "Activity" replica identity default`,
      `create index on "Activity" (headline)`,
      `truncate "Activity"`,
    ];
    for (const statement of statements) await admin.query(statement);

    // by hand: what is published, and what came of it: one insert per new row that lacks a target, nothing else
    const published = await admin.query(
      `select p.pubinsert, p.pubupdate or p.pubdelete or p.pubtruncate as more, t.attnames::text as columns, t.rowfilter as filter
         from pg_publication p join pg_publication_tables t using (pubname) where pubname = $1`,
      [name],
    );
    expect(published.rows).toEqual([
      { pubinsert: true, more: false, columns: '{id}', filter: '(("workspaceId" IS NULL) OR ("orgId" IS NULL))' },
    ]);
    // two, 9002, 9003 and 9004; 9001 has both targets
    expect((await admin.query(decode(name, name))).rows).toEqual([{ inserts: 5, others: 0 }]);
    expect((await admin.query(`select count(*)::int as n from "Activity"`)).rows).toEqual([{ n: 0 }]);
    await dropPublication(database.ddl, name);
  });
});
