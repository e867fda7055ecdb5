import { nameProblem } from './names.js';
import type { TemplateFilter, TemplatePart } from './rule.js';

/** Every placeholder is evaluated for every row. */
const placeholdersMax = 16;
const hashDigitsMax = 64;

/**
 * Reads `org-{owner_id}`, `{email|before:@}`, `{id|hash:8}`; a brace that means itself is doubled. Column names with braces or
 * bars in them cannot be written here.
 */
export function parseTemplate(
  text: string,
): { readonly parts: readonly TemplatePart[] } | { readonly problem: string } {
  const parts: TemplatePart[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const here = text.slice(at, at + 2);
    if (here === '{{' || here === '}}') {
      literal += here[0];
      at += 2;
    } else if (here.startsWith('}')) {
      return { problem: 'a } without its {; a brace that means itself is written }}' };
    } else if (here.startsWith('{')) {
      const end = text.indexOf('}', at);
      if (end < 0) return { problem: 'a { without its }; a brace that means itself is written {{' };
      const placeholder = parsePlaceholder(text.slice(at + 1, end));
      if ('problem' in placeholder) return placeholder;
      if (literal !== '') parts.push({ text: literal });
      literal = '';
      parts.push(placeholder);
      at = end + 1;
    } else {
      literal += text[at];
      at += 1;
    }
  }
  if (literal !== '') parts.push({ text: literal });
  const placeholders = parts.filter((part) => 'column' in part).length;
  if (placeholders === 0) return { problem: 'no {column} in it; a text that is always the same is a constant' };
  if (placeholders > placeholdersMax)
    return { problem: `${placeholders} columns in it; at most ${placeholdersMax} are taken` };
  return { parts };
}

function parsePlaceholder(text: string): Extract<TemplatePart, { column: string }> | { readonly problem: string } {
  const [column = '', ...written] = text.split('|');
  const wrong = nameProblem(column);
  if (wrong !== undefined) return { problem: `in {${text}}: ${wrong}` };
  if (column.includes('{')) return { problem: `in {${text}}: column names with braces or bars cannot be written here` };
  const filters: TemplateFilter[] = [];
  for (const filter of written) {
    const parsed = parseFilter(filter);
    if (parsed === undefined)
      return {
        problem: `${JSON.stringify(filter)} is no filter; expected before:TEXT or hash:DIGITS (1 to ${hashDigitsMax})`,
      };
    filters.push(parsed);
  }
  return { column, filters };
}

function parseFilter(text: string): TemplateFilter | undefined {
  const colon = text.indexOf(':');
  const [name, argument] = [text.slice(0, colon), text.slice(colon + 1)];
  if (name === 'before' && argument !== '' && nameProblem(argument) === undefined)
    return { filter: 'before', text: argument };
  const digits = /^[1-9]\d?$/.test(argument) ? Number(argument) : 0;
  return name === 'hash' && digits > 0 && digits <= hashDigitsMax ? { filter: 'hash', digits } : undefined;
}
