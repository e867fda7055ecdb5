import type pg from 'pg';

/** Statements over the demo's tables by an application that has never heard of the target. */
const oldStatements: readonly ((n: number) => string)[] = [
  (n) => `insert into "Activity" ("groupId", title) values ('g${(n % 9) + 1}', 'one')`,
  (n) =>
    `insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'many' from generate_series(${n}, ${n + 2}) g`,
  (n) =>
    `with new as (insert into "Group" (id, "orgId") values ('new${n}', 'o${(n % 3) + 1}') returning id) insert into "Activity" ("groupId") select id from new where false`,
  (n) => `update "Activity" set title = 'renamed ${n}' where id = ${(n % 200) + 1}`,
  // an old mapper writes every column it was generated from: the target as NULL
  (n) => `update "Activity" set "workspaceId" = null, title = 'mapped' where id = ${(n % 200) + 1}`,
];

/** By hand: rows whose value is not the rule's, rows without value, and what the catalog enforces. */
export const oracle = `select
  (select count(*)::int from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from g."orgId") as wrong,
  (select count(*)::int from "Group" where "workspaceId" is distinct from "orgId") as "wrongGroups",
  (select array_agg(attrelid::regclass::text order by attrelid::regclass::text) from pg_attribute where attname = 'workspaceId' and attnotnull and attnum > 0) as "notNull"`;
export const enforced = { wrong: 0, wrongGroups: 0, notNull: ['"Activity"', '"Group"'] };

/** Writes as the old application does until told to stop; a statement that fails is kept. */
export const oldApplication = (client: pg.Client, everyMs = 10) => {
  const failed: unknown[] = [];
  let statements = 0;
  let going = true;
  const done = (async () => {
    for (; going; statements += 1) {
      const text = oldStatements[statements % oldStatements.length]?.(statements) ?? '';
      await client.query(text).catch((error: unknown) => failed.push(error));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    failed,
    statements: () => statements,
    stop: async () => {
      going = false;
      await done;
    },
  };
};
