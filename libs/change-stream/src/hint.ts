/**
 * A hint says "this key of this table needs a look", nothing more. It is untrusted input: anyone who may write to the topic can
 * forge one, so decoding checks shape and size, and the filler derives everything else again.
 */
export interface RowHint {
  readonly v: 1;
  readonly kind: 'row';
  readonly migration: string;
  readonly epoch: number;
  /** Schema and name, exact and unquoted. */
  readonly table: readonly [string, string];
  /** The server's own text of each key column, in the order of the target's or the source's key. */
  readonly key: readonly string[];
  /** xid8 of the top-level transaction, decimal text. */
  readonly xid: string;
  /** Commit LSN, `16/B374D848`. Rows of one COPY share it: never deduplicate by it. */
  readonly lsn: string;
}

/** The same about a row of a source table: the entities that are made from it need a look. The key is the source's. */
export interface EntityHint extends Omit<RowHint, 'kind'> {
  readonly kind: 'entity';
}

/** Copy of a fence token for one partition: every hint of an earlier commit lies before it in that partition. */
export interface FenceHint {
  readonly v: 1;
  readonly kind: 'fence';
  readonly migration: string;
  readonly epoch: number;
  readonly token: string;
  readonly partition: number;
  readonly partitions: number;
  readonly lsn: string;
}

export type Hint = RowHint | EntityHint | FenceHint;

/** Why a Kafka value is no hint; goes to the dead-letter topic's header, so it never quotes the value. */
export const poisonReasons = [
  'NullValue',
  'TooLarge',
  'NotJson',
  'UnknownVersion',
  'UnknownKind',
  'Malformed',
] as const;
export type PoisonReason = (typeof poisonReasons)[number];
export interface Poison {
  readonly poison: PoisonReason;
}
export const isPoison = (decoded: Hint | Poison): decoded is Poison => 'poison' in decoded;

/** A key that fits a btree index is far smaller; a longer one compresses too well and is left to the tail passes. */
export const hintBytesMax = 256 * 1024;
const keyColumnsMax = 32; // INDEX_MAX_KEYS
const textMax = 256; // migration names, table names, tokens

export const encodeHint = (hint: Hint): string => JSON.stringify(hint);

/** Hints of one kind and table: the same text as `encodeHint`, whose unchanging ends are written once and shared by all of them. */
export function hintWriter(
  head: Pick<RowHint | EntityHint, 'kind' | 'migration' | 'epoch' | 'table'>,
): (key: readonly string[], end: HintEnd) => string {
  const { kind, migration, epoch, table } = head;
  const beginning = JSON.stringify({ v: 1, kind, migration, epoch, table }).slice(0, -1);
  return (key, end) => `${beginning},"key":${JSON.stringify(key)}${end}`;
}

/** The end of every hint of one transaction. */
export type HintEnd = string & { readonly __brand: 'HintEnd' };
export const hintEnd = (of: Pick<RowHint, 'xid' | 'lsn'>): HintEnd =>
  `,${JSON.stringify({ xid: of.xid, lsn: of.lsn }).slice(1)}` as HintEnd;

const lsnPattern = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/;
const xidPattern = /^(0|[1-9][0-9]{0,19})$/;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Cheap and strict: size before text, text before JSON, every field's type before anyone uses it. Unknown keys are ignored. */
export function decodeHint(value: Uint8Array | string | null | undefined): Hint | Poison {
  if (value === null || value === undefined) return { poison: 'NullValue' };
  if (value.length > hintBytesMax) return { poison: 'TooLarge' };
  let found: unknown;
  try {
    found = JSON.parse(typeof value === 'string' ? value : decoder.decode(value));
  } catch {
    return { poison: 'NotJson' };
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) return { poison: 'Malformed' };
  const hint = found as Record<string, unknown>;
  if (hint['v'] !== 1) return { poison: 'UnknownVersion' };
  if (!isText(hint['migration']) || !isCount(hint['epoch']) || !isMatch(hint['lsn'], lsnPattern))
    return { poison: 'Malformed' };
  switch (hint['kind']) {
    case 'row':
    case 'entity':
      return isRow(hint) ? (hint as unknown as RowHint | EntityHint) : { poison: 'Malformed' };
    case 'fence':
      return isFence(hint) ? (hint as unknown as FenceHint) : { poison: 'Malformed' };
    default:
      return { poison: 'UnknownKind' };
  }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.length > 0 && value.length <= textMax;
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isMatch = (value: unknown, pattern: RegExp): boolean => typeof value === 'string' && pattern.test(value);

function isRow(hint: Record<string, unknown>): boolean {
  const { table, key, xid } = hint;
  if (!Array.isArray(table) || table.length !== 2 || !table.every(isText)) return false;
  if (!Array.isArray(key) || key.length === 0 || key.length > keyColumnsMax) return false;
  // U+0000 cannot be sent to PostgreSQL as text at all; as a parameter it would fail the whole batch
  if (!key.every((text) => typeof text === 'string' && !text.includes('\u0000'))) return false;
  return isMatch(xid, xidPattern) && BigInt(xid as string) < 1n << 64n;
}

function isFence(hint: Record<string, unknown>): boolean {
  const { token, partition, partitions } = hint;
  return isText(token) && isCount(partition) && isCount(partitions) && partition < partitions;
}
