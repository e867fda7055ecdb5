import type { Access } from '../session/database.js';

/**
 * What would go with the column, or keep it from being dropped: indexes, constraints, policies, views and publications that somebody made
 * on it, as the server describes them. Ours are gone by the time this is asked.
 */
export async function columnUsers(access: Access, relid: number, column: string): Promise<string[]> {
  const rows = await access.query<{ what: string }>(
    'looking who uses a column',
    `select distinct pg_describe_object(d.classid, d.objid, d.objsubid) as what
       from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.refclassid = 'pg_class'::regclass and d.refobjid = $1::oid and a.attname = $2 and not a.attisdropped
        and not (d.classid = 'pg_class'::regclass and d.objid = d.refobjid) order by 1`,
    [relid, column],
  );
  return rows.map(({ what }) => what);
}
