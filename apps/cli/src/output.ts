import { csv } from '@highwater/kernel';

/** Where a run of the CLI reads and writes; the answer goes to `out`, everything about getting there to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Whether a person is looking at `out`. */
  readonly interactive: boolean;
}

export type Format = 'table' | 'json' | 'csv';

/** Names and messages come from databases and brokers: control characters (terminal escapes, S27) are shown, not obeyed. */
export const clean = (text: string): string => text.replace(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');

/** Columns padded to their widest cell, two blanks between; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head.map((name) => name.toUpperCase()), ...rows].map((row) => row.map(clean));
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** As a program gets it; on a terminal no cell may carry an escape. */
export function csvFor(terminal: Terminal, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return csv(columns, terminal.interactive ? rows.map((row) => row.map(clean)) : rows);
}

export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
/** One record a line, for programs that read while it runs. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;
