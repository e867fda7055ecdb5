import type { NoValueReason } from '@highwater/kernel';

/** Keys named of each kind of row: enough to look at some, too few to be a list. */
export const keysShownMax = 10;

/** A key as the server's own text, one element per key column. */
type KeyText = readonly string[];

/** What was found about rows, as one page or sample answers it. */
export interface Found {
  /**
   * `set`: has a value already; `branch:N`: gets one; `parentless:N`: the rule gives one whose foreign key's parent does not exist;
   * `reason:WORD`: gets none.
   */
  readonly what: string;
  readonly rows: number;
  /** Some of them; of what needs no look none. */
  readonly keys: readonly KeyText[];
}

export interface OutcomeCount {
  readonly rows: number;
  readonly keys: readonly KeyText[];
}

/** Adds up what pages found. Pure but for itself. */
export class Outcomes {
  readonly #counts = new Map<string, { rows: number; keys: KeyText[] }>();

  add(found: readonly Found[]): void {
    for (const { what, rows, keys } of found) {
      const sum = this.#counts.get(what) ?? { rows: 0, keys: [] };
      sum.rows += rows;
      sum.keys.push(...keys.slice(0, Math.max(0, keysShownMax - sum.keys.length)));
      this.#counts.set(what, sum);
    }
  }

  get rows(): number {
    return this.#sum(() => true);
  }

  get set(): number {
    return this.#sum((what) => what === 'set');
  }

  /** Rows by the number of the branch that gives the value, those without a parent included. */
  branch(no: number): number {
    return this.#sum((what) => what === `branch:${no}` || what === `parentless:${no}`);
  }

  get valued(): number {
    return this.#sum((what) => /^(branch|parentless):/.test(what));
  }

  get parentless(): OutcomeCount {
    const found = [...this.#counts].filter(([what]) => what.startsWith('parentless:')).map(([, count]) => count);
    const keys = found.flatMap((count) => count.keys).slice(0, keysShownMax);
    return { rows: found.reduce((sum, { rows }) => sum + rows, 0), keys };
  }

  get withoutValue(): readonly ({ readonly reason: NoValueReason } & OutcomeCount)[] {
    return [...this.#counts]
      .filter(([what]) => what.startsWith('reason:'))
      .map(([what, count]) => ({ reason: what.slice('reason:'.length) as NoValueReason, ...count }))
      .sort((a, b) => b.rows - a.rows);
  }

  #sum(which: (what: string) => boolean): number {
    return [...this.#counts].reduce((sum, [what, { rows }]) => sum + (which(what) ? rows : 0), 0);
  }
}
