import type { Api } from '../demo/driver/api.js';
import type { BadRows } from './example.js';

const keyOf = ({ table, reason, constraint }: BadRows): string =>
  [table, reason, ...(constraint === null ? [] : [constraint])].join(' ');

/** Numbers of the same table, reason and constraint added up; what is zero is left out. */
export function tally(parts: readonly BadRows[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const part of parts) if (part.rows > 0) sums.set(keyOf(part), (sums.get(keyOf(part)) ?? 0) + part.rows);
  return sums;
}

/** In words, what two tallies do not agree on; empty when they are the same. */
export function differences(expected: ReadonlyMap<string, number>, found: ReadonlyMap<string, number>): string[] {
  const keys = [...new Set([...expected.keys(), ...found.keys()])].sort();
  return keys
    .filter((key) => expected.get(key) !== found.get(key))
    .map((key) => `${key}: ${found.get(key) ?? 0} where ${expected.get(key) ?? 0} are expected`);
}

/** The product's own list, page by page. A source row whose entity cannot be made counts for the entity's table. */
export async function listedRows(api: Api, migration: string): Promise<BadRows[]> {
  const listed: BadRows[] = [];
  for (let cursor: string | null = null; ;) {
    const { rows, nextCursor }: Awaited<ReturnType<Api['unfillable']>> = await api.unfillable(migration, cursor);
    listed.push(
      ...rows.map(({ table, entity, reason, constraint }) => ({
        table: (entity ?? table).replace(/^public\./, ''),
        reason,
        constraint,
        rows: 1,
      })),
    );
    if (nextCursor === null) return listed;
    cursor = nextCursor;
  }
}

/** A condition's message says for each of these tables how many of its rows have no value, and it is as many as are listed. */
export function countsEach(message: string, listed: ReadonlyMap<string, number>, tables: readonly string[]): boolean {
  return tables.every((table) => {
    const rows = [...listed].reduce((sum, [what, n]) => (what.split(' ')[0] === table ? sum + n : sum), 0);
    return rows === 0 || message.includes(`${rows} rows of public.${table} `);
  });
}
