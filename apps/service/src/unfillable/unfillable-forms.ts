import { csv, csvLines } from '@highwater/kernel';
import { unfillableCells, unfillableColumns, type UnfillableRowView } from '@highwater/roles';

type Pages = AsyncIterable<readonly UnfillableRowView[]>;

async function* csvOf(pages: Pages): AsyncGenerator<string> {
  let head = csv(unfillableColumns, []);
  for await (const rows of pages) {
    yield head + csvLines(rows.map(unfillableCells));
    head = '';
  }
  if (head !== '') yield head;
}

async function* jsonOf(pages: Pages): AsyncGenerator<string> {
  let before = '{"rows":[';
  for await (const rows of pages)
    for (const row of rows) {
      yield before + JSON.stringify(row);
      before = ',';
    }
  yield before === ',' ? ']}' : `${before}]}`;
}

/** One record a line: read while it comes, so neither side holds the list. */
async function* linesOf(pages: Pages): AsyncGenerator<string> {
  for await (const rows of pages) yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Each content type of the export, written page by page. */
export const exportForms = {
  'application/json': jsonOf,
  'text/csv': csvOf,
  'application/x-ndjson': linesOf,
} as const;
