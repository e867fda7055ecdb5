import { afterEach, describe, expect, it } from 'vitest';
import { readMismatches, startVerification, verifyRange, verifyTarget, type FillTarget } from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

describe('verification', () => {
  const postgres = usePostgres();
  let prepared: Prepared;
  afterEach(() => prepared.close());

  it('compares value by value in ranges, resumes by cursor, lists the keys, and does not take a NULL for a mismatch', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin, database } = prepared;
    await admin.query(workspaceSeed);
    await admin.query(
      `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId" and a.id <> 7`,
    );
    await admin.query(`update "Activity" set "workspaceId" = 'o9' where id in (5, 100, 200)`);
    const target = prepared.targets.at(-1) as FillTarget;
    await startVerification(database.fill, target);
    const first = await verifyRange(database.fill, target, null, 99);
    expect(first).toEqual({ checked: 99, mismatches: 1, nulls: 1, cursor: ['99'] });
    const second = await verifyRange(database.fill, target, first.cursor, 1_000);
    expect(second).toEqual({ checked: 101, mismatches: 2, nulls: 0, cursor: null });
    expect(await readMismatches(database.state, target.migrationId)).toEqual([
      { targetNo: 1, key: ['100'] },
      { targetNo: 1, key: ['200'] },
      { targetNo: 1, key: ['5'] },
    ]);
    await admin.query(`update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId"`);
    expect(await verifyTarget(database.fill, target, { pageRows: 50 })).toEqual({
      checked: 200,
      mismatches: 0,
      nulls: 0,
    });
    expect(await readMismatches(database.state, target.migrationId)).toEqual([]);
  });
});
