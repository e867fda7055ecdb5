import type { LiveMigration } from '@highwater/migration';
import type { ControlContext } from './context.js';
import { cutPage, notOurs, placeOf, type Place } from './cursor.js';
import type { Page, UnfillableListFilter, UnfillableListView, UnfillableRowView } from './port.js';
import { entrySources, namedEntries, viewOf, withPolicy, type EntryRow, type EntrySource } from './unfillable-view.js';

const pageRowsMax = 1_000;

type SourceName = keyof typeof entrySources;

/** One of the three lists, of one target or entity: what a single index holds in order. */
interface Section {
  readonly name: SourceName;
  /** As the source numbers it. */
  readonly number: number;
  /** The number in the list of everything: of an entity −1 − its own. */
  readonly listedAs: number;
  /** Reasons that the plan holds on this target. */
  readonly held: readonly string[];
}

/**
 * Each section from where its last page ended, so a page costs what it carries however long the list is, and an entry that is closed meanwhile
 * shifts no other. $1: migration; $2: number; $3: reason; $4: policy; $5, $6: numbers and reasons that are held; from $7 on: the place of the last entry.
 */
const pageOf = ({ list, number, order }: EntrySource, first: boolean, limit: number): string =>
  `select * from (${withPolicy(`${list} and ${number} = $2`)}) as e
    where ($3::text is null or reason = $3) and ($4::text is null or policy = $4) ${first ? '' : `and ${order.after}`}
    order by ${order.by} limit ${limit}`;

interface EntryPage {
  readonly section: Section;
  readonly rows: readonly EntryRow[];
}

/** Open entries by table (of entities, then of targets) and key, page by page, from behind a place on. */
async function* pages(
  context: ControlContext,
  id: string,
  sections: readonly Section[],
  { reason, policy }: UnfillableListFilter,
  page: { readonly rows: number; readonly from?: Place['at'] | undefined } = { rows: pageRowsMax },
): AsyncGenerator<EntryPage> {
  let after = page.from;
  for (const section of sections) {
    const { name, number, listedAs, held } = section;
    const source: EntrySource = entrySources[name];
    const of = [id, number, reason ?? null, policy ?? null, held.map(() => listedAs), held];
    for (;;) {
      const rows: EntryRow[] = await context.database.state.query<EntryRow>(
        'listing unfillable rows',
        pageOf(source, after === undefined, page.rows),
        [...of, ...(after ?? [])],
      );
      if (rows.length > 0) yield { section, rows };
      const last = rows.at(-1);
      if (last === undefined || rows.length < page.rows) break;
      after = source.order.place(last);
    }
    after = undefined;
  }
}

function sectionsOf(id: string, state: LiveMigration, filter: UnfillableListFilter): readonly Section[] {
  const { targets, entities, held } = namedEntries(id, state, filter);
  const heldOn = (no: number): string[] => held.flatMap(({ targetNo, reason }) => (targetNo === no ? [reason] : []));
  const section = (name: SourceName, number: number, listedAs: number): Section => ({
    name,
    number,
    listedAs,
    held: heldOn(listedAs),
  });
  return [
    ...entities.map((number) => section('entities', number, -1 - number)),
    ...targets.flatMap((number) => (['rows', 'collisions'] as const).map((name) => section(name, number, number))),
  ];
}

/** Judges the filter at once, so that a table that is none is told before anything is sent. */
export function exportUnfillable(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  filter: UnfillableListFilter,
): AsyncIterable<readonly UnfillableRowView[]> {
  const sections = sectionsOf(id, state, filter);
  const view = viewOf(state);
  return (async function* () {
    for await (const { rows } of pages(context, id, sections, filter)) yield rows.map(view);
  })();
}

/** One page of the same list. Keys only: never another value of the row. Throws HW6023 for a cursor of another list. */
export async function listUnfillable(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  page: Page & UnfillableListFilter,
): Promise<UnfillableListView> {
  const all = sectionsOf(id, state, page);
  const from = page.cursor === undefined ? undefined : placeOf(page.cursor);
  const begin = from === undefined ? 0 : all.findIndex((one) => one.name === from.list && one.number === from.number);
  const of = from && all[begin];
  if (from !== undefined && (of === undefined || !entrySources[of.name].order.isPlace(from.at))) throw notOurs();
  const limit = Math.max(1, Math.min(page.limit, pageRowsMax));
  const read: { readonly section: Section; readonly row: EntryRow }[] = [];
  let skip = page.offset ?? 0;
  const batch = { rows: Math.min(pageRowsMax, skip + limit + 1), from: from?.at };
  for await (const { section, rows } of pages(context, id, all.slice(begin), page, batch)) {
    read.push(...rows.slice(skip, skip + limit + 1 - read.length).map((row) => ({ section, row })));
    skip = Math.max(0, skip - rows.length);
    if (read.length > limit) break;
  }
  const { rows, nextCursor } = cutPage(read, limit, ({ section: { name, number }, row }) => ({
    list: name,
    number,
    at: entrySources[name].order.place(row),
  }));
  const view = viewOf(state);
  return { rows: rows.map(({ row }) => view(row)), nextCursor };
}
