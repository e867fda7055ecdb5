import { type Document, type LineCounter, type Node, type Pair, isMap, isNode, isScalar, isSeq } from 'yaml';
import { type PlanPath, parsePath } from './path.js';
import type { PlanIssue } from './plan.js';

/** `line` and `column` count from 1, `length` is what a caret line underlines. */
export interface Position {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** What an issue says, without where. */
export interface Finding {
  readonly code: PlanIssue['code'];
  readonly severity?: PlanIssue['severity'];
  readonly message: string;
  readonly notes?: readonly string[];
  readonly help?: string;
}

/** Table keys that `defaults:` can supply. */
const defaulted = new Set<string | number>(['key', 'target', 'references', 'notNull']);

/** Finds the place in the file of anything in the plan, also of values that came from `defaults:`. */
export class PlanPositions {
  readonly #source: string;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(source: string, document: Document.Parsed, lines: LineCounter) {
    this.#source = source;
    this.#document = document;
    this.#lines = lines;
  }

  /** Position of the value at a path (`tables[1].rule.via`), else of its nearest ancestor that stands in the file. */
  positionOf(path: string | PlanPath): Position {
    const parts = typeof path === 'string' ? parsePath(path) : path;
    const found = this.#walk(parts);
    if (!found.exact && parts[0] === 'tables' && parts[2] !== undefined && defaulted.has(parts[2])) {
      const inDefaults = this.#walk(['defaults', ...parts.slice(2)]);
      if (inDefaults.exact) return this.#position(inDefaults.node);
    }
    return this.#position(found.node);
  }

  has(path: PlanPath): boolean {
    return this.#walk(path).exact;
  }

  /** The scalar exactly as written (`007`, `1e3`), before YAML made a number of it. */
  textOf(path: PlanPath): string | undefined {
    const { node, exact } = this.#walk(path);
    return exact && isScalar(node) ? (node.source ?? String(node.value)) : undefined;
  }

  /** Position of a key itself, for keys that should not be there. */
  keyPositionOf(path: PlanPath): Position {
    const parent = this.#walk(path.slice(0, -1));
    const pair = isMap(parent.node) ? findPair(parent.node.items, path[path.length - 1]) : undefined;
    return this.#position(isNode(pair?.key) ? pair.key : parent.node);
  }

  issueAt(path: string | PlanPath, finding: Finding): PlanIssue {
    return place(finding, this.positionOf(path));
  }

  issueAtKey(path: PlanPath, finding: Finding): PlanIssue {
    return place(finding, this.keyPositionOf(path));
  }

  issueAtRange(range: readonly [number, number, ...unknown[]], finding: Finding): PlanIssue {
    return place(finding, this.#span(range[0], range[1]));
  }

  #walk(path: PlanPath): { node: Node | null; exact: boolean } {
    let node: Node | null = this.#document.contents;
    for (const part of path) {
      let next: unknown;
      if (isMap(node)) next = findPair(node.items, part)?.value;
      else if (isSeq(node) && typeof part === 'number') next = node.items[part];
      if (!isNode(next)) return { node, exact: false };
      node = next;
    }
    return { node, exact: true };
  }

  #position(node: Node | null): Position {
    const range = node?.range;
    return range ? this.#span(range[0], range[1]) : this.#span(0, 0);
  }

  #span(start: number, end: number): Position {
    const { line, col } = this.#lines.linePos(start);
    const lineEnd = this.#source.slice(start, Math.max(start, end)).split(/\r?\n/, 1)[0] ?? '';
    return { line: Math.max(line, 1), column: Math.max(col, 1), length: Math.max(lineEnd.trimEnd().length, 1) };
  }
}

const findPair = (items: readonly Pair[], key: string | number | undefined): Pair | undefined =>
  items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key));

function place(finding: Finding, position: Position): PlanIssue {
  const { code, severity = 'error', message, notes = [], help } = finding;
  return { code, severity, ...position, message, notes, ...(help === undefined ? {} : { help }) };
}
