import type { LiveMigration } from '@highwater/migration';
import type { ControlContext } from './context.js';
import type { UnfillableListFilter, UnfillableRowView } from './port.js';
import { entrySources, namedEntries, viewOf, withPolicy, type EntryRow, type EntrySource } from './unfillable-view.js';

const pageRows = 1_000;

/** One of the three lists, of one target or entity: what a single index holds in order. */
interface Section {
  readonly source: EntrySource;
  /** As the source numbers it. */
  readonly number: number;
  /** Reasons that the plan holds on this target. */
  /** The number in the list of everything: of an entity −1 − its own. */
  readonly listedAs: number;
  readonly held: readonly string[];
}

/**
 * Each section from where its last page ended, so a page costs what it carries however long the list is, and an entry that is closed meanwhile
 * shifts no other. $1: migration; $2: number; $3: reason; $4: policy; $5, $6: numbers and reasons that are held; from $7 on: the place of the last entry.
 */
const pageOf = ({ list, number, order }: EntrySource, first: boolean): string =>
  `select * from (${withPolicy(`${list} and ${number} = $2`)}) as e
    where ($3::text is null or reason = $3) and ($4::text is null or policy = $4) ${first ? '' : `and ${order.after}`}
    order by ${order.by} limit ${pageRows}`;

/** Open entries by table (of entities, then of targets) and key, page by page. */
async function* pages(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  sections: readonly Section[],
  { reason, policy }: UnfillableListFilter,
): AsyncGenerator<readonly UnfillableRowView[]> {
  for (const { source, number, listedAs, held } of sections) {
    const of = [id, number, reason ?? null, policy ?? null, held.map(() => listedAs), held];
    for (let last: EntryRow | undefined; ;) {
      const rows: EntryRow[] = await context.database.state.query<EntryRow>(
        'exporting unfillable rows',
        pageOf(source, last === undefined),
        last === undefined ? of : [...of, ...source.order.place(last)],
      );
      if (rows.length > 0) yield rows.map(viewOf(state));
      last = rows.at(-1);
      if (last === undefined || rows.length < pageRows) break;
    }
  }
}

/** Judges the filter at once, so that a table that is none is told before anything is sent. */
export function exportUnfillable(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  filter: UnfillableListFilter,
): AsyncIterable<readonly UnfillableRowView[]> {
  const { targets, entities, held } = namedEntries(id, state, filter);
  const heldOn = (no: number): string[] => held.flatMap(({ targetNo, reason }) => (targetNo === no ? [reason] : []));
  const section = (source: EntrySource, number: number, listedAs: number): Section => ({
    source,
    number,
    listedAs,
    held: heldOn(listedAs),
  });
  const sections = [
    ...entities.map((number) => section(entrySources.entities, number, -1 - number)),
    ...targets.flatMap((number) =>
      [entrySources.rows, entrySources.collisions].map((source) => section(source, number, number)),
    ),
  ];
  return pages(context, id, state, sections, filter);
}
