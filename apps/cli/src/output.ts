/** Where a run of the CLI reads and writes; the answer goes to `out`, everything about getting there to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Until `out` can take more: a slow reader of a pipe slows us down instead of growing our memory. */
  drained(): Promise<void>;
  /** Whether a person is looking at `out`. */
  readonly interactive: boolean;
}

export type Format = 'table' | 'json' | 'csv';

/** Names and messages come from databases and brokers: control characters (terminal escapes, S27) are shown, not obeyed. */
export const clean = (text: string): string => text.replace(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');

/** Columns padded to their widest cell, two blanks between; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return tableLines(columnWidths(head, rows), [head.map((name) => name.toUpperCase()), ...rows]);
}

export const columnWidths = (head: readonly string[], rows: readonly (readonly string[])[]): readonly number[] =>
  head.map((name, i) => rows.reduce((widest, row) => Math.max(widest, clean(row[i] ?? '').length), name.length));

/** The lines alone, to go on with; a cell wider than its column moves what follows. */
export function tableLines(widths: readonly number[], rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === row.length - 1 ? clean(cell) : clean(cell).padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join('');
}

export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
/** One record a line, for programs that read while it runs. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;
