import { describe, expect, it } from 'vitest';
import { effectsOf } from './effects.js';

const said = (sql: string): string[] =>
  effectsOf(sql).effects.map(
    (one) => `${one.gone ? 'no ' : ''}${one.kind} ${one.schema}.${one.table}${'name' in one ? `.${one.name}` : ''}`,
  );

describe('what a migration script leaves in the catalog', () => {
  it.each([
    ['ALTER TABLE "Connection" ADD COLUMN "workspaceId" TEXT;', ['column public.Connection.workspaceId']],
    [
      'alter table only app.orders add tenant_id uuid not null',
      ['column app.orders.tenant_id', 'notNull app.orders.tenant_id'],
    ],
    [
      'ALTER TABLE a ADD COLUMN b int, ALTER c SET NOT NULL, ALTER COLUMN d DROP NOT NULL',
      ['column public.a.b', 'notNull public.a.c', 'no notNull public.a.d'],
    ],
    [
      'ALTER TABLE "A" ADD CONSTRAINT "A_b_fkey" FOREIGN KEY ("b", c) REFERENCES "B"("id", x) ON DELETE CASCADE',
      ['constraint public.A.A_b_fkey'],
    ],
    ['CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "i;x" ON "A"("b", "c");', ['index public.A.i;x']],
    ['CREATE TABLE "New" (id text, constraint p primary key (id))', ['table public.New']],
    ['DROP TABLE IF EXISTS a, app."B" CASCADE', ['no table public.a', 'no table app.B']],
    [
      'ALTER TABLE a ENABLE ROW LEVEL SECURITY; create policy p on a using (true)',
      ['rowSecurity public.a', 'policy public.a.p'],
    ],
    ['-- ALTER TABLE a ADD b int;\n/* drop table /* a */ b; */ SELECT 1; BEGIN; SET lock_timeout = 1; COMMIT', []],
  ])('%s', (sql, expected) => {
    expect(effectsOf(sql).unknown).toEqual([]);
    expect(said(sql)).toEqual(expected);
  });

  it('looks into a DO block: the pre-check of a careful team', () => {
    const sql = `DO $$ DECLARE n INTEGER; m int := 0; BEGIN
      -- Count NULLs
      SELECT COUNT(*) INTO n FROM "Connection" WHERE "workspaceId" IS NULL;
      IF n > 0 OR m > 0 THEN RAISE EXCEPTION 'found; %', n; END IF;
      ALTER TABLE "Connection" ALTER COLUMN "workspaceId" SET NOT NULL;
      RAISE NOTICE 'done';
    END $$;`;
    expect(effectsOf(sql)).toEqual({
      unknown: [],
      effects: [
        {
          kind: 'notNull',
          schema: 'public',
          table: 'Connection',
          name: 'workspaceId',
          gone: false,
          sql: 'ALTER TABLE "Connection" ALTER COLUMN "workspaceId" SET NOT NULL',
        },
      ],
    });
  });

  it.each([
    ['UPDATE a SET b = 1', 'update a set b'],
    ["INSERT INTO a VALUES ('x')", 'insert into a values'],
    ['DROP INDEX a_idx', 'drop index a_idx'],
    ['ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c', 'add foreign key ('],
    ['ALTER TABLE a ALTER b TYPE bigint', 'alter b type bigint'],
    ['create function f() returns int language sql as $$ select 1 $$', 'create function f ('],
    ['DO $$ BEGIN EXECUTE $x$ drop table a $x$; END $$', 'execute …'],
    ["select 'never closed", 'a quote that is never closed'],
    ['VALIDATED', 'validated'],
  ])('does not guess what %s leaves', (sql, unknown) => {
    expect(effectsOf(sql).unknown).toEqual([unknown]);
  });

  it('can say each part of a statement alone', () => {
    expect(
      effectsOf('alter table "A" add "b" numeric(3, 1) default 0, add c text;').effects.map(({ sql }) => sql),
    ).toEqual(['ALTER TABLE "A" add "b" numeric(3, 1) default 0', 'ALTER TABLE "A" add c text']);
  });
});
