import pg from 'pg';

export interface TableVerdict {
  readonly table: string;
  readonly rows: number;
  readonly nulls: number;
  /** Rows whose workspaceId is distinct from the derivation written by hand below; NULLs are among them. */
  readonly wrong: number;
}

export interface Leftovers {
  readonly triggers: string[];
  readonly constraints: string[];
  readonly indexes: string[];
  readonly publications: string[];
  readonly slots: string[];
}

export interface OracleVerdict {
  readonly tables: TableVerdict[];
  /** Names of ours outside of schema `highwater`: nothing may be left after finish. Topics are the caller's to list. */
  readonly leftovers: Leftovers;
  /** No NULL and no wrong row in the tables; leftovers are judged apart, since before finish there are some. */
  readonly agrees: boolean;
}

/** Written by a human, on purpose not compiled from the plan: two ways to the same value, or one of them is wrong. */
const ofGroup = (group: string): string =>
  `(select coalesce(g."workspaceId", g."orgId") from "Group" g where g.id = ${group})`;

const derivations: Readonly<Record<string, string>> = {
  Group: `coalesce(t."orgId", t."workspaceId")`,
  Activity: ofGroup(`t."groupId"`),
  Response: `coalesce((select ${ofGroup(`a."groupId"`)} from "Activity" a where a.id = t."activityId"), ${ofGroup(`t."groupId"`)})`,
};

/** Asks PostgreSQL itself, in one snapshot. Give it the superuser's URL of the demo's database. */
export async function oracle(url: string): Promise<OracleVerdict> {
  const client = new pg.Client({ connectionString: url, application_name: 'demo oracle' });
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const verdicts: TableVerdict[] = [];
    for (const [table, derivation] of Object.entries(derivations)) {
      const { rows } = await client.query<Omit<TableVerdict, 'table'>>(
        `select count(*)::int as rows, count(*) filter (where t."workspaceId" is null)::int as nulls,
                count(*) filter (where t."workspaceId" is null or t."workspaceId" is distinct from ${derivation})::int as wrong
           from "${table}" t`,
      );
      verdicts.push({ table, rows: 0, nulls: 0, wrong: 0, ...rows[0] });
    }
    const left = await leftovers(client);
    await client.query('commit');
    return { tables: verdicts, leftovers: left, agrees: verdicts.every(({ wrong }) => wrong === 0) };
  } finally {
    await client.end();
  }
}

/** As a superuser, in the database that was migrated. */
export async function leftovers(client: pg.Client): Promise<Leftovers> {
  const names = async (text: string) =>
    (await client.query<{ name: string }>(text)).rows.map(({ name }) => name).sort();
  const outside = `nspname not in ('highwater', 'pg_catalog', 'pg_toast')`;
  return {
    triggers: await names(
      `select t.tgname || ' on ' || c.relname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
         join pg_namespace n on n.oid = c.relnamespace where not t.tgisinternal and t.tgname like '~hw\\_%' and ${outside}`,
    ),
    constraints: await names(
      `select k.conname || ' on ' || c.relname as name from pg_constraint k join pg_class c on c.oid = k.conrelid
         join pg_namespace n on n.oid = c.relnamespace where k.conname like 'hw\\_%' and ${outside}`,
    ),
    indexes: await names(
      `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('i', 'I') and c.relname like 'hw\\_%' and ${outside}`,
    ),
    publications: await names(`select pubname as name from pg_publication where pubname like 'hw\\_%'`),
    slots: await names(
      `select slot_name as name from pg_replication_slots where slot_name like 'hw\\_%' and database = current_database()`,
    ),
  };
}
