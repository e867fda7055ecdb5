import type { Ident } from './catalog.js';

/** A string literal as `quote_literal` writes it: right whatever `standard_conforming_strings` says. */
export function quoteLiteral(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/**
 * An identifier for a column that is planned but not in the catalog yet, the one place where the catalog cannot write it.
 * The plan has refused NUL, broken Unicode and more than 63 bytes; quotes are doubled.
 */
export const plannedIdent = (name: string): Ident => `"${name.replaceAll('"', '""')}"` as Ident;
