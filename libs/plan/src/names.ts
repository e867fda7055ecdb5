import type { TableKeyReference, TableName } from './plan.js';
import type { FunctionName } from './rule.js';

/** PostgreSQL's NAMEDATALEN − 1. */
export const nameBytesMax = 63;

/** Why PostgreSQL could not hold this name; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'a name is empty';
  if (name.includes('\0')) return 'a name contains a NUL character';
  if (/\p{Surrogate}/u.test(name)) return 'a name contains half a surrogate pair, which is no text';
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > nameBytesMax)
    return `name ${JSON.stringify(name)} is ${bytes} bytes long; PostgreSQL keeps at most ${nameBytesMax}`;
  return undefined;
}

/** `Group`, or `app.Group`; a name with a dot in it needs the map form and is undefined here. */
export function parseTableName(text: string): TableName | undefined {
  const parts = text.split('.');
  if (parts.length > 2 || parts.some((part) => nameProblem(part) !== undefined)) return undefined;
  const [first, second] = parts as [string, string | undefined];
  return second === undefined ? { name: first } : { schema: first, name: second };
}

/** `Group(id)`, `app.Group(tenant, id)`. */
export function parseTableKeyReference(text: string): TableKeyReference | undefined {
  const match = /^([^()]+)\(([^()]+)\)$/.exec(text.trim());
  const table = match?.[1] === undefined ? undefined : parseTableName(match[1].trim());
  const columns = (match?.[2] ?? '').split(',').map((column) => column.trim());
  if (table === undefined || columns.some((column) => nameProblem(column) !== undefined)) return undefined;
  return { table, columns };
}

/** As PostgreSQL writes types; anything else never reaches a statement. */
export const typePattern =
  /^(?:double precision|(?:character|bit) varying|(?:timestamp|time)(?: ?\([0-6]\))? with(?:out)? time zone|(?:"[^"\0]+"|[a-z_][a-z0-9_$]*)(?:\.(?:"[^"\0]+"|[a-z_][a-z0-9_$]*))?)(?:\(\d+(?:, ?\d+)?\))?(?:\[\])*$/;

/** `tenant_of`, `app.tenant_of`, `app.tenant_of(uuid, text)`. */
export function parseFunctionName(text: string): FunctionName | undefined {
  const match = /^([^()]+)(?:\(([^()]*)\))?$/.exec(text.trim());
  const written = match?.[1] === undefined ? undefined : parseTableName(match[1].trim());
  if (written === undefined) return undefined;
  if (match?.[2] === undefined) return written;
  const argumentTypes = match[2]
    .split(',')
    .map((type) => type.trim())
    .filter((type, _, all) => type !== '' || all.length > 1);
  return argumentTypes.every((type) => typePattern.test(type)) ? { ...written, argumentTypes } : undefined;
}

/** For people: `app.tenant_of(uuid)`. */
export const formatFunctionName = (name: FunctionName): string =>
  `${formatTableName(name)}${name.argumentTypes === undefined ? '' : `(${name.argumentTypes.join(', ')})`}`;

/** For people: `Group`, `app.Group`. */
export const formatTableName = (table: TableName): string =>
  table.schema === undefined ? table.name : `${table.schema}.${table.name}`;

/** The schema a table is looked for in: names without one mean `public`. */
export const schemaOf = (table: TableName): string => table.schema ?? 'public';

export const sameTable = (a: TableName, b: TableName): boolean => schemaOf(a) === schemaOf(b) && a.name === b.name;

/** Same columns in the same order. */
export const sameColumns = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((column, i) => column === b[i]);

/** Same columns in any order. */
export const sameColumnSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && sameColumns([...a].sort(), [...b].sort());
