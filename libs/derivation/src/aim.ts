import type { CatalogColumn } from './catalog.js';

/** What a value is turned into: a type and its collation. */
export type PrintTarget = Pick<CatalogColumn, 'type' | 'typeOid' | 'collation'>;

/** What the value of a rule is for: the target, the input of a map, the argument of a function. */
export interface Aim extends PrintTarget {
  /** For people: `target "workspaceId"`. */
  readonly what: string;
  /** Any value whose text is the same in every session is taken, as text. */
  readonly asText: boolean;
}

/** Text that compares byte by byte, whatever the collation of where it came from. */
export const textAim = (what: string): Aim => ({ what, asText: true, type: 'text', typeOid: 25 });

export const targetAim = (target: CatalogColumn, kind: 'target' | 'column' = 'target'): Aim => ({
  what: `${kind} ${JSON.stringify(target.name)}`,
  asText: false,
  type: target.type,
  typeOid: target.typeOid,
  ...(target.collation === undefined ? {} : { collation: target.collation }),
});
