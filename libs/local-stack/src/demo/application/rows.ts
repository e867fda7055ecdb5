import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Random } from './random.js';

/** Column → value, in the order of the insert. */
export type Row = Readonly<Record<string, string | number | null>>;

export interface GroupRef {
  readonly id: string;
  readonly workspaceId: string;
}
export interface ActivityRef {
  readonly id: string;
  readonly group: GroupRef;
}

/** What the application knows of the data: groups and a sample of old activities, none of which anybody deletes. */
export interface Known {
  readonly groups: GroupRef[];
  readonly activities: readonly ActivityRef[];
  /** About how many activities and responses were seeded: bounds the random positions in their keys. */
  readonly seeded: number;
}

const SAMPLE_ROWS = 2_000;

export async function readKnown(client: pg.Client): Promise<Known> {
  const groups = await client.query<GroupRef>(
    `select id, coalesce("workspaceId", "orgId") as "workspaceId" from "Group"`,
  );
  const byId = new Map(groups.rows.map((group) => [group.id, group]));
  const size = await client.query<{ rows: number }>(
    `select greatest(reltuples, 1)::int as rows from pg_catalog.pg_class where oid = '"Activity"'::regclass`,
  );
  const seeded = size.rows[0]?.rows ?? 1;
  const percent = Math.min(100, (SAMPLE_ROWS / seeded) * 120);
  // Rows that a running application inserted carry an x at place 11, or begin with cm: those may go away.
  const sample = await client.query<{ id: string; groupId: string }>(
    `select id, "groupId" from "Activity" tablesample bernoulli ($1)
      where id like 'cl%' and substr(id, 11, 1) <> 'x' limit ${SAMPLE_ROWS}`,
    [percent],
  );
  const activities = sample.rows.flatMap(({ id, groupId }) => {
    const group = byId.get(groupId);
    return group ? [{ id, group }] : [];
  });
  return { groups: groups.rows, activities, seeded };
}

/** Mostly behind every id there is, as a cuid is; one in eight somewhere inside the history, where a sweep may have been. */
export function newId(random: Random, known: Known): string {
  const unique = randomBytes(8).toString('hex').slice(0, 14);
  if (random.next() < 1 / 8) return `cl${hex8(random.between(1, known.seeded))}x${unique}`;
  return `cm${hex8(Math.floor(Date.now() / 1000))}${random.hex(1)}${unique}`;
}

/** Somewhere in the seeded keys: `where id >= $1 order by id limit 1` finds a row there. */
export const oldPosition = (random: Random, known: Known): string => `cl${hex8(random.between(1, known.seeded))}`;

const hex8 = (n: number): string => n.toString(16).padStart(8, '0');

/** Builds rows; only the new application sets `workspaceId`, the old one has never heard of it. */
export class RowMaker {
  constructor(
    readonly random: Random,
    readonly known: Known,
    readonly setsWorkspaceId: boolean,
  ) {}

  activity(group: GroupRef = this.random.pick(this.known.groups)): { ref: ActivityRef; row: Row } {
    const id = newId(this.random, this.known);
    const row = {
      id,
      groupId: group.id,
      title: `Activity ${this.random.hex(6)}`,
      description: this.random.next() < 0.5 ? `tab\tand "quote" ${this.random.hex(40)}` : null,
      status: this.random.pick(['DRAFT', 'OPEN', 'CLOSED']),
      ...this.#workspace(group),
    };
    return { ref: { id, group }, row };
  }

  /** Two in ten have only a group, five only an activity, three both. */
  response(activity: ActivityRef): { id: string; row: Row } {
    const id = newId(this.random, this.known);
    const kind = this.random.between(0, 9);
    const row = {
      id,
      activityId: kind >= 2 ? activity.id : null,
      groupId: kind < 2 || kind >= 7 ? activity.group.id : null,
      body: `Response ${this.random.hex(60)}`,
      score: this.random.between(0, 100),
      ...this.#workspace(activity.group),
    };
    return { id, row };
  }

  group(orgId: string): { ref: GroupRef; row: Row } {
    const ref = { id: newId(this.random, this.known), workspaceId: orgId };
    return { ref, row: { id: ref.id, orgId, name: `Group ${this.random.hex(6)}`, ...this.#workspace(ref) } };
  }

  #workspace(group: GroupRef): { workspaceId?: string } {
    return this.setsWorkspaceId ? { workspaceId: group.workspaceId } : {};
  }
}

/** One `INSERT`, however many rows; all rows have the columns of the first. */
export async function insert(client: pg.Client, table: string, rows: readonly Row[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {});
  const list = columns.map((column) => `"${column}"`).join(', ');
  const places = rows.map((_, r) => `(${columns.map((__, c) => `$${r * columns.length + c + 1}`).join(', ')})`);
  await client.query(
    `insert into "${table}" (${list}) values ${places.join(', ')}`,
    rows.flatMap((row) => columns.map((column) => row[column])),
  );
}
