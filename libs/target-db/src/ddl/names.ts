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

const nameBytesMax = 63;

/**
 * A name of at most 63 bytes that ends in the suffix. What is longer the server would cut off at the end; where we cut, four digits of
 * the name's hash keep two that begin alike apart.
 */
export function fitName(name: string, suffix: string): string {
  const bytes = (text: string): number => Buffer.byteLength(text);
  if (bytes(name + suffix) <= nameBytesMax) return name + suffix;
  const end = `_${createHash('sha256').update(name).digest('hex').slice(0, 4)}${suffix}`;
  const kept = [...name];
  while (kept.length > 0 && bytes(kept.join('') + end) > nameBytesMax) kept.pop();
  return kept.join('') + end;
}

/** SQL string literal of a text made by us. Quotes are doubled; backslashes mean nothing with standard_conforming_strings. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
