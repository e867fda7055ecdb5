import type { PrintTarget } from './aim.js';
import type { TemplateNodePart, TextFilter } from './node.js';
import { quoteLiteral } from './quote.js';
import { sameType, typeSql } from './types.js';

/** `||` gives NULL as soon as one part is, which is what a template promises. */
export function printTemplate(parts: readonly TemplateNodePart[], alias: string, aim: PrintTarget): string {
  const texts = parts.map((part) =>
    'text' in part
      ? `${quoteLiteral(part.text)}::pg_catalog.text`
      : part.filters.reduce(filtered, `${alias}.${part.column.ident}::pg_catalog.text`),
  );
  const text = `(${texts.join(' OPERATOR(pg_catalog.||) ')})`;
  const typed = sameType(aim.type, 'text') ? text : `${text}::${typeSql(aim.type, aim.typeOid)}`;
  return aim.collation === undefined ? typed : `(${typed} collate ${aim.collation})`;
}

/** SHA-256 and not MD5, which a server under FIPS refuses. Positions are found byte by byte: no collation may refuse to search. */
function filtered(text: string, filter: TextFilter): string {
  if (filter.filter === 'hash')
    return `pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(${text}, 'UTF8')), 'hex'), ${filter.digits})`;
  const found = `pg_catalog.strpos(${text} collate pg_catalog."C", ${quoteLiteral(filter.text)})`;
  return `(case when ${found} OPERATOR(pg_catalog.>) 1 then pg_catalog.left(${text}, ${found} OPERATOR(pg_catalog.-) 1) end)`;
}

/**
 * The value at the place where the text is found; NULL when it is not. `array_position` takes the type's own equality, where
 * CASE … WHEN would look one up on the search path.
 */
export function printMap(values: readonly { from: string; to: string }[], of: string, aim: PrintTarget): string {
  const type = typeSql(aim.type, aim.typeOid);
  const to = values.map((value) => `${quoteLiteral(value.to)}::${type}`).join(', ');
  const from = values.map((value) => quoteLiteral(value.from)).join(', ');
  return `(array[${to}])[pg_catalog.array_position(array[${from}]::pg_catalog.text[], (${of}) collate pg_catalog."C")]`;
}
