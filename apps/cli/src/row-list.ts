import { csv, csvLines } from '@highwater/kernel';
import { clean, columnWidths, tableLines } from './output.js';
import type { Session } from './session.js';

export interface RowList<R> {
  readonly columns: readonly string[];
  cells(row: R): readonly string[];
  /** What a person reads when there is none. */
  readonly none: string;
  /** In JSON: the rows under another name than `rows`, behind these fields. */
  readonly json?: { readonly name: string; readonly fields: object };
}

/** So many rows decide how wide a column of the table is. */
const rowsMeasured = 1_000;

/** Writes rows in the form of this run as they come; never holds more than a batch of them, and the next is not asked for before the last is taken. */
export async function writeRows<R>(
  session: Session,
  list: RowList<R>,
  batches: AsyncIterable<readonly R[]>,
): Promise<void> {
  const { terminal, format } = session;
  const parts =
    format === 'json'
      ? jsonParts(batches, list.json)
      : format === 'csv'
        ? csvParts(session, list, batches)
        : tableParts(list, batches);
  for await (const part of parts) {
    terminal.out(part);
    await terminal.drained();
  }
}

async function* jsonParts<R>(
  batches: AsyncIterable<readonly R[]>,
  { name, fields }: NonNullable<RowList<R>['json']> = { name: 'rows', fields: {} },
): AsyncGenerator<string> {
  const said = Object.entries(fields).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}, `);
  const head = `{${said.join('')}${JSON.stringify(name)}: [`;
  let before = `${head}\n  `;
  for await (const rows of batches) {
    yield before + rows.map((row) => JSON.stringify(row)).join(',\n  ');
    before = ',\n  ';
  }
  yield before.startsWith(',') ? '\n]}\n' : `${head}]}\n`;
}

/** On a terminal no cell may carry an escape. */
async function* csvParts<R>(
  { terminal }: Session,
  { columns, cells }: RowList<R>,
  batches: AsyncIterable<readonly R[]>,
): AsyncGenerator<string> {
  // with the first rows: an answer that is a refusal writes nothing
  let head = csv(columns, []);
  for await (const rows of batches) {
    yield head + csvLines(rows.map((row) => (terminal.interactive ? cells(row).map(clean) : cells(row))));
    head = '';
  }
  if (head !== '') yield head;
}

async function* tableParts<R>(
  { columns, cells, none }: RowList<R>,
  batches: AsyncIterable<readonly R[]>,
): AsyncGenerator<string> {
  let widths: readonly number[] | undefined;
  const waiting: (readonly string[])[] = [];
  const head = (): string => {
    widths = columnWidths(columns, waiting);
    return tableLines(widths, [columns.map((name) => name.toUpperCase()), ...waiting.splice(0)]);
  };
  for await (const rows of batches) {
    if (widths !== undefined) yield tableLines(widths, rows.map(cells));
    else if (waiting.push(...rows.map(cells)) >= rowsMeasured) yield head();
  }
  if (widths === undefined) yield waiting.length === 0 ? `${none}\n` : head();
}
