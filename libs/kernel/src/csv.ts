/** Lines of RFC 4180 with a header. A cell that a spreadsheet would take for a formula is shown as text. */
export const csv = (columns: readonly string[], rows: readonly (readonly string[])[]): string =>
  csvLines([columns, ...rows]);

/** The lines alone, to go on with. */
export const csvLines = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');

function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
