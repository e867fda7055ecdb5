import { nameProblem } from '@highwater/plan';

const odd = [
  'select', 'user', 'Group', 'a"b', "a'b", 'a.b', ' ', 'U&"\\0061"', '"; drop table x; --', '$hw$', '$1', '%I', 'r', 'p1', 'v1', 'd1', 's1', 'value', 'n',
  'ünïcödé', '数据', '😀', '\u00a0', '\\', '{a}', 'a|b', 'é'.repeat(31) + 'x', 'N', 'id', 'ID', 'id ', 'toString', 'left', 'array',
]; // prettier-ignore

/** Random choices that a seed repeats. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** mulberry32 */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(min: number, max: number): number {
    return min + Math.floor(this.#next() * (max - min + 1));
  }

  /** True once in `n` throws. */
  once(n: number): boolean {
    return this.between(1, n) === 1;
  }

  of<T>(choices: readonly T[]): T {
    const chosen = choices[this.between(0, choices.length - 1)];
    if (chosen === undefined && !choices.includes(undefined as T)) throw new Error('nothing to choose from');
    return chosen as T;
  }

  /** Distinct names that PostgreSQL can hold, plain and odd. */
  names(count: number): string[] {
    const found = new Set<string>();
    while (found.size < count) {
      const name = this.once(3) ? this.of(odd) : `c${this.between(0, 999)}`;
      if (nameProblem(name) === undefined) found.add(name);
    }
    return [...found];
  }
}
