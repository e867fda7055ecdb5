/** Types as `format_type` writes them: `character varying(20)`, `timestamp(3) without time zone`, `public."Role"[]`. */
export interface TypeParts {
  /** Without modifier and array brackets: `character varying`, `timestamp without time zone`. */
  readonly base: string;
  /** `(20)` → `['20']`; empty when there is none. */
  readonly modifiers: readonly string[];
  readonly array: boolean;
}

const aliases: Readonly<Record<string, string>> = {
  int: 'integer',
  int4: 'integer',
  int8: 'bigint',
  int2: 'smallint',
  bool: 'boolean',
  float4: 'real',
  float8: 'double precision',
  float: 'double precision',
  decimal: 'numeric',
  varchar: 'character varying',
  char: 'character',
  bpchar: 'character',
  varbit: 'bit varying',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  time: 'time without time zone',
  timetz: 'time with time zone',
};

/** Names that are grammar, not names: they take no schema. */
const grammar = new Set([...Object.values(aliases), 'interval']);

export function typeParts(text: string): TypeParts {
  const array = text.endsWith('[]');
  const element = array ? text.slice(0, text.indexOf('[]')) : text;
  const match = /^(.*?) ?\(([\d, ]+)\)(.*)$/.exec(element);
  const written = match ? `${match[1]}${match[3]}` : element;
  const base = aliases[written] ?? written;
  const modifiers = (match?.[2] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return { base, modifiers: modifiers.length === 0 && written === 'char' ? ['1'] : modifiers, array };
}

/** The spelling of the catalog for a type a plan may spell another way: `varchar(20)` → `character varying(20)`. */
export function canonicalType(text: string): string {
  const { base, modifiers, array } = typeParts(text);
  const modifier = modifiers.length > 0 ? `(${modifiers.join(',')})` : '';
  const zone = /^(timestamp|time)( with(?:out)? time zone)$/.exec(base);
  const element = zone ? `${zone[1]}${modifier}${zone[2]}` : `${base}${modifier}`;
  return array ? `${element}[]` : element;
}

/** Same type, however spelt; `"Role"` and `public."Role"` are one. */
export const sameType = (a: string, b: string): boolean =>
  withoutPublic(canonicalType(a)) === withoutPublic(canonicalType(b));

const withoutPublic = (type: string): string => type.replace(/^public\./, '');

const wider: Readonly<Record<string, readonly string[]>> = {
  smallint: ['integer', 'bigint', 'numeric'],
  integer: ['bigint', 'numeric'],
  bigint: ['numeric'],
  real: ['double precision'],
  text: ['character varying'],
  'character varying': ['text'],
};

/** Whether every value of `from` is kept as it is by `to`: no cut text, no rounding, no time zone guessed. */
export function fitsWithoutLoss(from: string, to: string): boolean {
  if (sameType(from, to)) return true;
  const a = typeParts(from);
  const b = typeParts(to);
  if (a.array !== b.array) return false;
  if (a.base === b.base) {
    if (b.modifiers.length === 0) return true;
    return (
      a.base === 'character varying' && a.modifiers.length === 1 && Number(a.modifiers[0]) <= Number(b.modifiers[0])
    );
  }
  return !a.array && b.modifiers.length === 0 && (wider[a.base]?.includes(b.base) ?? false);
}

/** Whether `=` between the two means what a reader expects: one type, or whole numbers, or text and varchar. */
export function comparable(a: string, b: string): boolean {
  const families = [
    ['smallint', 'integer', 'bigint'],
    ['text', 'character varying'],
  ];
  const [left, right] = [typeParts(a), typeParts(b)];
  if (left.base === right.base && left.array === right.array) return true;
  return (
    !left.array && !right.array && families.some((family) => family.includes(left.base) && family.includes(right.base))
  );
}

/** FirstNormalObjectId: types below came with the server. */
const builtinOidMax = 16_383;

export const isBuiltin = (typeOid: number): boolean => typeOid > 0 && typeOid <= builtinOidMax;

/** Type and collation came with the server. */
export const isBuiltinColumn = (column: { readonly typeOid: number; readonly collation?: string }): boolean =>
  isBuiltin(column.typeOid) && (column.collation === undefined || column.collation.startsWith('pg_catalog.'));

/** The type as it stands in our SQL: schema-qualified, so that no search path can put another in its place. */
export function typeSql(type: string, typeOid: number): string {
  const canonical = canonicalType(type);
  const qualify =
    isBuiltin(typeOid) &&
    !grammar.has(typeParts(canonical).base) &&
    !canonical.includes('.') &&
    !canonical.startsWith('interval');
  return qualify ? `pg_catalog.${canonical}` : canonical;
}

/** How many characters (or bits) a text type keeps; undefined when it keeps any number. */
export function lengthMax(type: string): number | undefined {
  const { base, modifiers, array } = typeParts(type);
  const limited = ['character', 'character varying', 'bit', 'bit varying'].includes(base) && !array;
  return limited && modifiers[0] !== undefined ? Number(modifiers[0]) : undefined;
}

const withoutEquality = new Set([
  'json', 'xml', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle', 'pg_snapshot', 'txid_snapshot', 'tsquery',
]); // prettier-ignore

/** Whether values can be told apart and put in order: a default btree operator class, named by the catalog for types of others. */
export const orders = (column: {
  readonly type: string;
  readonly typeOid: number;
  readonly equality?: string;
}): boolean =>
  isBuiltin(column.typeOid) || column.typeOid === 0
    ? !withoutEquality.has(typeParts(column.type).base)
    : column.equality !== undefined;

/** How long the text of any value is at most; a type that is missing here has text that may change with a session's settings. */
const plainTexts: Readonly<Record<string, number>> = {
  smallint: 6, integer: 11, bigint: 20, numeric: Infinity, uuid: 36, boolean: 5, text: Infinity, 'character varying': Infinity, character: 1, name: 63,
}; // prettier-ignore

/**
 * The longest text a value of the column has; undefined when its text depends on settings (dates, floats, bytea, …): it would be
 * one in the application's session, where the bridge runs, and another in ours.
 */
export function plainTextMax(column: {
  readonly type: string;
  readonly typeOid: number;
  readonly plainText?: boolean;
}): number | undefined {
  if (!isBuiltin(column.typeOid) && column.typeOid !== 0) return column.plainText === true ? Infinity : undefined;
  const { base, array } = typeParts(column.type);
  if (array || !Object.hasOwn(plainTexts, base)) return undefined;
  return lengthMax(column.type) ?? plainTexts[base];
}
