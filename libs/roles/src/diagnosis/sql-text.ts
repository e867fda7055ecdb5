/** One word of SQL. `word`: an identifier or keyword, folded to lower case unless quoted. */
export type Token = (
  | { readonly kind: 'word'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'literal'; readonly text: string }
  /** The body between dollar quotes. */
  | { readonly kind: 'body'; readonly text: string }
  | { readonly kind: 'sign'; readonly text: string }
) & {
  /** Where it stands in the script. */
  readonly from: number;
  readonly to: number;
};

type Word = Token extends infer One ? (One extends Token ? Omit<One, 'from' | 'to'> : never) : never;

const blank = /\s+|--[^\n]*/y;
const word = /[\p{L}_][\p{L}\p{N}_$]*/uy;
const quoted = /"((?:[^"]|"")*)"/y;
const text = /[eE]?'(?:[^']|'')*'/y;
const escaped = /[eE]'(?:[^'\\]|''|\\.)*'/sy;
const dollar = /\$([\p{L}_][\p{L}\p{N}_]*)?\$/uy;
const number = /\d[\d.]*/y;

/** The words of a script, comments left out. Undefined when a quote is never closed: then nothing can be said of the text. */
export function tokensOf(sql: string): Token[] | undefined {
  const tokens: Token[] = [];
  let at = 0;
  let from = 0;
  const found = (token: Word): void => void tokens.push({ ...token, from, to: at } as Token);
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const hit = pattern.exec(sql);
    if (hit) at += hit[0].length;
    return hit;
  };
  while (at < sql.length) {
    if (match(blank)) continue;
    from = at;
    if (sql.startsWith('/*', at)) {
      const end = endOfComment(sql, at);
      if (end === undefined) return undefined;
      at = end;
      continue;
    }
    const string = match(escaped) ?? match(text);
    if (string) {
      found({ kind: 'literal', text: string[0] });
      continue;
    }
    const name = match(quoted);
    if (name) {
      found({ kind: 'word', text: (name[1] ?? '').replaceAll('""', '"'), quoted: true });
      continue;
    }
    const tag = match(dollar);
    if (tag) {
      const end = sql.indexOf(tag[0], at);
      if (end < 0) return undefined;
      const body = sql.slice(at, end);
      at = end + tag[0].length;
      found({ kind: 'body', text: body });
      continue;
    }
    const plain = match(word);
    if (plain) found({ kind: 'word', text: plain[0].toLowerCase(), quoted: false });
    else if (match(number)) found({ kind: 'literal', text: sql.slice(from, at) });
    else if (sql[at] === "'" || sql[at] === '"') return undefined;
    else {
      at += 1;
      found({ kind: 'sign', text: sql.slice(from, at) });
    }
  }
  return tokens;
}

/** Comments nest in PostgreSQL. */
function endOfComment(sql: string, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < sql.length; at += 1) {
    if (sql.startsWith('/*', at)) [depth, at] = [depth + 1, at + 1];
    else if (sql.startsWith('*/', at)) {
      [depth, at] = [depth - 1, at + 1];
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

/** Cut at the signs given, but not inside parentheses. */
export function cut(tokens: readonly Token[], at: string): Token[][] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'sign' && token.text === '(') depth += 1;
    if (token.kind === 'sign' && token.text === ')') depth -= 1;
    if (depth === 0 && token.kind === 'sign' && token.text === at) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.filter((part) => part.length > 0);
}
