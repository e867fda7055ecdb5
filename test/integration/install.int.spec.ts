import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { checkPrivileges, installSchema, purgeSchema, readOwners, requiredPrivileges } from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, type Prepared } from '../support/least-privilege.js';
import { majors, usePostgres } from '../support/stack.js';

const sqlFolder = new URL('../../libs/target-db/sql/', import.meta.url);

describe.each(majors)('install on PostgreSQL %i', (major) => {
  const postgres = usePostgres({ major });
  let prepared: Prepared;
  afterEach(() => prepared.close());

  it('installs once however many installers come, as the ddl role, and answers the version', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan, { install: false });
    const results = await Promise.all([1, 2, 3].map(() => installSchema(prepared.database)));
    const versions = readdirSync(sqlFolder).map((name) => Number(name.slice(0, 4)));
    const newest = Math.max(...versions);
    expect(results.flatMap((r) => r.applied)).toEqual(versions.sort((a, b) => a - b));
    expect(results.map((r) => r.version)).toEqual([newest, newest, newest]);
    const { rows } = await prepared.admin.query(
      `select pg_get_userbyid(nspowner) as owner from pg_namespace where nspname = 'highwater'`,
    );
    expect(rows).toEqual([{ owner: prepared.roles.ddl }]);
    await prepared.admin.query(`insert into highwater.operation (id, migration_id, verb, status, actor)
      values ('o', 'workspaces', 'rollback', 'running', 'somebody')`);
    await expect(purgeSchema(prepared.database)).rejects.toThrow(/being rolled back: workspaces/);
    await prepared.admin.query(`update highwater.operation set status = 'succeeded'`);
    // its own sessions of other access roles are not somebody else at work
    await prepared.database.state.query('looking', 'select 1');
    await purgeSchema(prepared.database);
    const left = await prepared.admin.query(`select from pg_namespace where nspname = 'highwater'`);
    expect(left.rowCount).toBe(0);
  });

  it('prints grants that give exactly what is required, and fill cannot do more', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { database, derivations, roles } = prepared;
    const owners = await readOwners(
      database.state,
      derivations.map((d) => d.table.relid),
    );
    const checked = await checkPrivileges(database.state, requiredPrivileges(derivations, owners), roles);
    expect(checked.filter((p) => !p.held)).toEqual([]);
    const { fill } = database;
    await fill.query(
      'lock',
      `select ctid, tableoid from public."Activity" where "workspaceId" is null order by id for no key update skip locked`,
    );
    await fill.query('update', `update public."Activity" set "workspaceId" = 'x' where false`);
    await expect(fill.query('read', `select title from public."Activity"`)).rejects.toThrow(/permission denied/);
    await expect(fill.query('write', `update public."Activity" set title = 'x'`)).rejects.toThrow(/permission denied/);
    await expect(fill.query('ddl', `alter table public."Activity" add x int`)).rejects.toThrow(/must be owner/);
    await expect(database.state.query('event', `update highwater.event set type = 'x'`)).rejects.toThrow(
      /permission denied/,
    );
  });
});
