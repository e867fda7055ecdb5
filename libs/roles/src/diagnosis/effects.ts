import { cut, tokensOf, type Token } from './sql-text.js';

/** What one part of a statement leaves in the catalog; `gone: true`: what it takes away. Names as the catalog has them. */
export type Effect = (
  | { readonly kind: 'table'; readonly schema: string; readonly table: string; readonly gone: boolean }
  | {
      readonly kind: 'column' | 'notNull' | 'constraint' | 'policy';
      readonly schema: string;
      readonly table: string;
      readonly name: string;
      readonly gone: boolean;
    }
  | { readonly kind: 'rowSecurity'; readonly schema: string; readonly table: string; readonly gone: boolean }
  | {
      readonly kind: 'index';
      readonly schema: string;
      readonly table: string;
      readonly name: string;
      readonly gone: false;
    }
) & {
  /** The statement that does this alone, without its semicolon. */
  readonly sql: string;
};

/** What is known of a migration's script before the database is looked at. */
export interface ScriptEffects {
  readonly effects: readonly Effect[];
  /** First words of statements whose effect the catalog cannot show: data changed, functions, what we do not know. */
  readonly unknown: readonly string[];
}

/** Reads a script as far as the catalog can confirm it. Never guesses: a statement that is not known word for word counts as unknown. */
export const effectsOf = (script: string): ScriptEffects => new Script(script).read((tokens) => cut(tokens, ';'));

const nothing: ScriptEffects = { effects: [], unknown: [] };
const collect = (parts: readonly ScriptEffects[]): ScriptEffects => ({
  effects: parts.flatMap((part) => part.effects),
  unknown: [...new Set(parts.flatMap((part) => part.unknown))],
});

/** First words of statements that leave nothing behind, whatever follows. */
const harmless = new Set(['begin', 'commit', 'start', 'end', 'set', 'select', 'show', 'comment', 'analyze', 'lock']);
/** The same in a block of PL/pgSQL. */
const harmlessInBlock = new Set(['raise', 'null', 'return', 'perform', 'assert', 'select', 'get', 'end']);

/** One text; what its statements leave. */
class Script {
  constructor(private readonly text: string) {}

  read(statements: (tokens: readonly Token[]) => readonly (readonly Token[])[]): ScriptEffects {
    const tokens = tokensOf(this.text);
    if (!tokens) return { effects: [], unknown: ['a quote that is never closed'] };
    return collect(statements(tokens).map((statement) => this.#statement(statement)));
  }

  #statement(tokens: readonly Token[]): ScriptEffects {
    const words = new Words(tokens);
    if (words.take('alter', 'table')) return this.#alterTable(words, tokens);
    if (words.take('create')) return this.#create(words, tokens);
    // on which table a dropped index stood is not said, so nobody could tell whether it is gone or was never there
    if (words.take('drop', 'table')) return this.#dropTable(words, tokens);
    if (words.take('do')) {
      const body = tokens.find((token) => token.kind === 'body');
      return body ? new Script(body.text).read(statementsOfBlock) : this.#unknown(tokens);
    }
    const [first] = tokens;
    return first?.kind === 'word' && harmless.has(first.text) ? nothing : this.#unknown(tokens);
  }

  #alterTable(words: Words, all: readonly Token[]): ScriptEffects {
    words.take('if', 'exists');
    words.take('only');
    const nameFrom = words.at;
    const on = words.name();
    if (!on) return this.#unknown(all);
    const prefix = `ALTER TABLE ${this.#slice(all.slice(nameFrom, words.at))}`;
    return collect(cut(words.rest(), ',').map((part) => this.#alterOne(part, on, `${prefix} ${this.#slice(part)}`)));
  }

  #alterOne(part: readonly Token[], { schema, name: table }: Named, sql: string): ScriptEffects {
    const words = new Words(part);
    const named = (kind: 'column' | 'constraint', gone: boolean): ScriptEffects => {
      const what = words.name();
      return what ? only({ kind, schema, table, name: what.name, gone, sql }) : this.#unknown(part);
    };
    if (words.take('add', 'constraint')) return named('constraint', false);
    if (words.take('drop', 'constraint')) {
      words.take('if', 'exists');
      return named('constraint', true);
    }
    if (words.take('add')) {
      words.take('column');
      words.take('if', 'not', 'exists');
      // of an unnamed constraint the server chooses the name
      if (words.next('primary', 'unique', 'foreign', 'check', 'exclude')) return this.#unknown(part);
      const column = words.name();
      if (!column) return this.#unknown(part);
      const { name } = column;
      const notNull = part.some((_, i) => new Words(part.slice(i)).take('not', 'null'));
      const added = only({ kind: 'column', schema, table, name, gone: false, sql });
      return notNull ? collect([added, only({ kind: 'notNull', schema, table, name, gone: false, sql })]) : added;
    }
    if (words.take('alter')) {
      words.take('column');
      const column = words.name();
      const gone = column !== undefined && words.take('drop', 'not', 'null');
      if (!column || (!gone && !words.take('set', 'not', 'null'))) return this.#unknown(part);
      return only({ kind: 'notNull', schema, table, name: column.name, gone, sql });
    }
    if (words.take('enable', 'row', 'level', 'security'))
      return only({ kind: 'rowSecurity', schema, table, gone: false, sql });
    if (words.take('disable', 'row', 'level', 'security'))
      return only({ kind: 'rowSecurity', schema, table, gone: true, sql });
    if (!words.take('drop')) return this.#unknown(part);
    words.take('column');
    words.take('if', 'exists');
    return named('column', true);
  }

  #create(words: Words, all: readonly Token[]): ScriptEffects {
    const sql = this.#slice(all);
    if (words.take('table')) {
      words.take('if', 'not', 'exists');
      const table = words.name();
      return table
        ? only({ kind: 'table', schema: table.schema, table: table.name, gone: false, sql })
        : this.#unknown(all);
    }
    const isPolicy = words.take('policy');
    if (!isPolicy) {
      words.take('unique');
      if (!words.take('index')) return this.#unknown(all);
      words.take('concurrently');
      words.take('if', 'not', 'exists');
    }
    const made = words.name();
    if (!made || !words.take('on')) return this.#unknown(all);
    words.take('only');
    const table = words.name();
    if (!table) return this.#unknown(all);
    const what = { schema: table.schema, table: table.name, name: made.name, gone: false, sql } as const;
    return only(isPolicy ? { kind: 'policy', ...what } : { kind: 'index', ...what });
  }

  #dropTable(words: Words, all: readonly Token[]): ScriptEffects {
    words.take('if', 'exists');
    return collect(
      cut(words.rest(), ',').map((part) => {
        const named = new Words(part).name();
        const sql = `DROP TABLE ${this.#slice(part)}`;
        return named
          ? only({ kind: 'table', schema: named.schema, table: named.name, gone: true, sql })
          : this.#unknown(all);
      }),
    );
  }

  #unknown(tokens: readonly Token[]): ScriptEffects {
    const shown = tokens.slice(0, 4).map(({ kind, text }) => (kind === 'literal' || kind === 'body' ? '…' : text));
    return { effects: [], unknown: [shown.join(' ')] };
  }

  #slice(tokens: readonly Token[]): string {
    return this.text.slice(tokens[0]?.from, tokens.at(-1)?.to);
  }
}

const only = (effect: Effect): ScriptEffects => ({ effects: [effect], unknown: [] });

/** Declarations dropped, control words skipped, and without the statements that change no table. */
function statementsOfBlock(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const begin = tokens.findIndex((token) => isWord(token, 'begin'));
  return cut(tokens.slice(begin + 1), ';')
    .map(afterControl)
    .filter(([first, second]) => {
      if (first?.kind !== 'word') return first !== undefined;
      const assignment = second?.kind === 'sign' && [':', '='].includes(second.text);
      return !assignment && !harmlessInBlock.has(first.text);
    });
}

const isWord = (token: Token | undefined, ...words: string[]): boolean =>
  token?.kind === 'word' && !token.quoted && words.includes(token.text);

function afterControl(statement: readonly Token[]): readonly Token[] {
  const [first] = statement;
  if (isWord(first, 'begin', 'else')) return afterControl(statement.slice(1));
  if (!isWord(first, 'if', 'elsif', 'exception', 'when')) return statement;
  const then = statement.findIndex((token) => isWord(token, 'then'));
  return then < 0 ? statement : afterControl(statement.slice(then + 1));
}

interface Named {
  readonly schema: string;
  readonly name: string;
}

/** Takes words from the front. Keywords never match a quoted name. */
class Words {
  at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  take(...words: string[]): boolean {
    const all = words.every((word, i) => isWord(this.tokens[this.at + i], word));
    if (all) this.at += words.length;
    return all;
  }

  next(...words: string[]): boolean {
    return isWord(this.tokens[this.at], ...words);
  }

  /** `name` or `schema.name`; without a schema it means public, as everywhere in a plan. */
  name(): Named | undefined {
    const first = this.#word();
    if (first === undefined) return undefined;
    const dot = this.tokens[this.at];
    if (dot?.kind !== 'sign' || dot.text !== '.') return { schema: 'public', name: first };
    this.at += 1;
    const second = this.#word();
    return second === undefined ? undefined : { schema: first, name: second };
  }

  rest(): readonly Token[] {
    return this.tokens.slice(this.at);
  }

  #word(): string | undefined {
    const token = this.tokens[this.at];
    if (token?.kind !== 'word') return undefined;
    this.at += 1;
    return token.text;
  }
}
