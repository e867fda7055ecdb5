import { createHash } from 'node:crypto';
import type { FillTarget } from '../target.js';

/*
 * Names of our temporary objects, at most 63 bytes: hw_<8 hex>_<relid>_<what><target no>. Made of hex, digits, letters and
 * underscores alone, so they need no quoting but for the trigger's tilde, which makes it sort after every other name.
 */
export const objectName = (target: FillTarget, what: string, relid = target.derivation.table.relid): string =>
  `hw_${target.short}_${relid}_${what}${target.targetNo}`;

export const bridgeName = (target: FillTarget): string => `~${objectName(target, 'bridge')}`;
export const bridgeFunctionName = (target: FillTarget): string => objectName(target, 'bridge');
export const checkName = (target: FillTarget): string => objectName(target, 'check');
/** One per relation that holds rows: the table, or each leaf of a partitioned one. */
export const nullIndexName = (target: FillTarget, relid?: number): string => objectName(target, 'null', relid);

/** Goes into COMMENT: whose object it is and what exactly it was; adopted only when it matches. */
export const ownershipComment = (target: FillTarget, definition: string): string =>
  `highwater ${target.migrationId} ${createHash('sha256').update(definition).digest('hex').slice(0, 32)}`;

/** COMMENT of the guard's check. */
export const guardComment = (target: FillTarget): string =>
  ownershipComment(target, `check (${target.derivation.target.ident} is not null)`);

/** A name of at most 63 bytes that ends in the suffix, whatever has to go from the name before it. */
export function fitName(name: string, suffix: string): string {
  const bytes = (text: string): number => new TextEncoder().encode(text).length;
  const kept = [...name];
  while (kept.length > 0 && bytes(kept.join('')) + bytes(suffix) > 63) kept.pop();
  return `${kept.join('')}${suffix}`;
}

/** SQL string literal of a text made by us. Quotes are doubled; backslashes mean nothing with standard_conforming_strings. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
