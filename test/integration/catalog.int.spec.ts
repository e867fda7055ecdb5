import { afterEach, describe, expect, it } from 'vitest';
import {
  fingerprintDifference,
  footprintOf,
  readCatalog,
  readFingerprint,
  readPartitions,
  readTableNames,
  relationSizes,
} from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

describe('catalog', () => {
  const postgres = usePostgres();
  let prepared: Prepared;
  afterEach(() => prepared.close());

  it('reads tables with what they reference, exactly named, and leaves out what is unknown', async () => {
    const hostile = `we"ird %I table`;
    prepared = await prepare(
      await postgres.freshDatabase(),
      `${workspaceSchema}; create schema other; create table "we""ird %I table" ("sel""ect" int, b text not null, c int, unique (b, "sel""ect"));
       create unique index on "we""ird %I table" (c) where c > 0; create index on "we""ird %I table" (b)`.replace(
        'create schema other;',
        '',
      ),
      workspacePlan,
    );
    const catalog = await readCatalog(prepared.database.state, [
      { name: hostile },
      { name: 'Activity' },
      { schema: 'public', name: 'nope' },
    ]);
    expect(catalog.tables.map((t) => t.name).sort()).toEqual(['Activity', 'Group', 'Organization', hostile]);
    const odd = catalog.tables.find((t) => t.name === hostile);
    expect(odd).toMatchObject({
      ident: 'public."we""ird %I table"',
      kind: 'r',
      primaryKey: [],
      uniqueKeys: [['b', 'sel"ect']],
    });
    expect([...(odd?.columns.values() ?? [])].map((c) => [c.name, c.ident, c.type, c.notNull])).toEqual([
      ['sel"ect', '"sel""ect"', 'integer', false],
      ['b', 'b', 'text', true],
      ['c', 'c', 'integer', false],
    ]);
    const activity = catalog.tables.find((t) => t.name === 'Activity');
    expect(activity?.foreignKeys).toMatchObject([{ columns: ['groupId'], toColumns: ['id'], validated: true }]);
    expect(await readTableNames(prepared.database.state)).toEqual(
      expect.arrayContaining(['Activity', 'Group', hostile]),
    );
  });

  it('reads the leaves of a partitioned table and sizes over all of them', async () => {
    prepared = await prepare(
      await postgres.freshDatabase(),
      `${workspaceSchema}; create table part (id int primary key) partition by range (id);
       create table part_1 partition of part for values from (0) to (100);
       create table part_2 partition of part for values from (100) to (200) partition by range (id);
       create table part_2a partition of part_2 for values from (100) to (200)`,
      workspacePlan,
    );
    await prepared.admin.query(`${workspaceSeed}; insert into part select generate_series(1, 150); analyze`);
    const catalog = await readCatalog(prepared.database.state, [{ name: 'part' }]);
    const relid = catalog.tables[0]?.relid ?? 0;
    expect((await readPartitions(prepared.database.state, relid)).map((l) => l.ident)).toEqual([
      'public.part_1',
      'public.part_2a',
    ]);
    expect(await relationSizes(prepared.database.state, [relid])).toMatchObject([{ rowsEstimated: 150 }]);
  });

  it('names what changed: type, name, and a column that is gone; NOT NULL of the target is no change', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const footprint = footprintOf(prepared.derivations);
    const before = await readFingerprint(prepared.database.state, footprint);
    await prepared.admin.query(`alter table "Activity" alter "workspaceId" set not null, add column later int`);
    expect(fingerprintDifference(before, await readFingerprint(prepared.database.state, footprint))).toEqual([]);
    await prepared.admin.query(`alter table "Group" rename "orgId" to "organizationId"`);
    const after = fingerprintDifference(before, await readFingerprint(prepared.database.state, footprint));
    expect(after).toEqual([
      expect.stringMatching(/^expected public."Group".*"orgId"/),
      expect.stringMatching(/^found public."Group".*"orgId" \(gone\)/),
    ]);
  });
});
