import type { Rule } from '@highwater/plan';
import type { Dice } from './dice.js';

/** A random database of a few tables whose rules use every kind: names, keys, hops and NULLs as a seed makes them. */

export const columnTypes = ['text', 'character varying(8)', 'bigint', 'integer', 'uuid', 'boolean', 'app."Kind"', 'timestamp with time zone'] as const; // prettier-ignore
export type ColumnType = (typeof columnTypes)[number];
/** What a whole world derives. */
export type AimType = 'text' | 'bigint' | 'uuid';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly collation?: string;
}

export interface Link {
  readonly columns: readonly string[];
  /** Index of the parent; its key in the same order. */
  readonly to: number;
  /** A declared foreign key; else the rule says where to. */
  readonly declared: boolean;
}

/** Server's own text, or NULL. */
export type Row = ReadonlyMap<string, string | null>;

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly links: readonly Link[];
  readonly target: string;
  readonly rows: readonly Row[];
}

export interface World {
  readonly seed: number;
  readonly schema: string;
  readonly aim: AimType;
  readonly tables: readonly Table[];
  /** One per table. */
  readonly rules: readonly Rule[];
}

const cells: Readonly<Record<ColumnType, readonly string[]>> = {
  text: ['a', 'B', "o'k", 'x\\y', '', 'me@x.org', '@x', 'é'],
  'character varying(8)': ['a', 'B', '', 'b@c'],
  bigint: ['1', '2', '-5', '9007199254740993'],
  integer: ['1', '2', '3'],
  uuid: ['00000000-0000-4000-8000-000000000001', 'f0000000-0000-4000-8000-00000000000a'],
  boolean: ['true', 'false'],
  'app."Kind"': ['x', 'b', 'a'],
  'timestamp with time zone': ['2026-01-01 00:00:00+00', '2026-01-02 00:00:00+00', '2025-12-31 23:59:59.999999+00'],
};

/** A value of the type, of few, so that rows meet. */
export const cell = (dice: Dice, type: ColumnType): string => dice.of(cells[type]);

const isText = (type: ColumnType): boolean => type === 'text' || type === 'character varying(8)';

const keyTypes = ['text', 'bigint', 'uuid'] as const;

export function makeTables(dice: Dice, aim: AimType): Table[] {
  const names = dice.names(4);
  const shapes = names.slice(0, dice.between(2, 4)).map((name) => {
    const free = dice.names(20);
    const take = (): string => free.pop() ?? '';
    const collation = dice.of(['"C"', '"POSIX"']);
    const column = (type: ColumnType): Column => ({
      name: take(),
      type,
      ...(isText(type) ? { collation } : {}),
    });
    const key = Array.from({ length: dice.between(1, 2) }, () => ({
      name: take(),
      type: dice.of(keyTypes),
      collation: '"C"',
    })).map(({ collation: inC, ...each }) => (each.type === 'text' ? { ...each, collation: inC } : each));
    const values = [
      column(aim),
      column(aim === 'bigint' ? 'integer' : aim),
      ...Array.from({ length: dice.between(1, 4) }, () => column(dice.of(columnTypes))),
    ];
    const target: Column = { name: take(), type: aim };
    return { name, key, values, target, take };
  });
  return shapes.map(({ name, key, values, target, take }, i) => {
    const foreign: Column[] = [];
    const links = shapes.flatMap((parent, to): Link[] => {
      if (to < i || (to === i && !dice.once(4)) || (to > i + 1 && !dice.once(2))) return [];
      const columns = parent.key.map((each) => ({ ...each, name: take() }));
      foreign.push(...columns);
      return [{ columns: columns.map((each) => each.name), to, declared: !dice.once(3) }];
    });
    const columns = [...key, ...foreign, ...values, target];
    return {
      name,
      columns,
      key: key.map((each) => each.name),
      links,
      target: target.name,
      rows: rowsOf(dice, columns, key),
    };
  });
}

function rowsOf(dice: Dice, columns: readonly Column[], key: readonly Column[]): Row[] {
  const rows = new Map<string, Row>();
  for (let i = dice.between(2, 8); i > 0; i -= 1) {
    const row = new Map(
      columns.map((column) => [column.name, !key.includes(column) && dice.once(5) ? null : cell(dice, column.type)]),
    );
    rows.set(JSON.stringify(key.map((column) => row.get(column.name))), row);
  }
  return [...rows.values()];
}
