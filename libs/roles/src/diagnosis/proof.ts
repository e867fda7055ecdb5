import type { TableShape } from '@highwater/target-db';
import { effectsOf, type Effect } from './effects.js';

/**
 * How much of a migration stands in the database, as far as its own statements and the catalog prove it.
 * `unproved`: some statement leaves nothing that the catalog could show.
 */
export interface Proof {
  readonly applied: 'nothing' | 'part' | 'all' | 'unproved';
  /** In the script's order. */
  readonly missing: readonly Effect[];
  readonly present: readonly Effect[];
  readonly unknown: readonly string[];
}

/** Compares what a script would leave with what is there. Pure. */
export function prove(sql: string, tables: readonly TableShape[]): Proof {
  const { effects, unknown } = effectsOf(sql);
  const present = effects.filter((effect) => stands(effect, tables));
  const missing = effects.filter((effect) => !present.includes(effect));
  const applied =
    unknown.length > 0 || effects.length === 0
      ? 'unproved'
      : missing.length === 0
        ? 'all'
        : present.length === 0
          ? 'nothing'
          : 'part';
  return { applied, missing, present, unknown };
}

/** Every table that the scripts speak of, so that it can be read. */
export const tablesNamedIn = (scripts: readonly string[]): { schema: string; name: string }[] =>
  scripts.flatMap((sql) => effectsOf(sql).effects.map(({ schema, table }) => ({ schema, name: table })));

function stands(effect: Effect, tables: readonly TableShape[]): boolean {
  const table = tables.find((one) => one.schema === effect.schema && one.name === effect.table);
  const there = ((): boolean => {
    switch (effect.kind) {
      case 'table':
        return table !== undefined;
      case 'column':
        return table?.columns.some(({ name }) => name === effect.name) === true;
      case 'notNull':
        return table?.columns.some(({ name, notNull }) => name === effect.name && notNull) === true;
      case 'constraint':
        return table?.constraints.some(({ name }) => name === effect.name) === true;
      case 'policy':
        return table?.policies.includes(effect.name) === true;
      case 'rowSecurity':
        return table?.rowSecurity === true;
      case 'index':
        return tables.some(
          (one) => one.schema === effect.schema && one.indexes.some(({ name, valid }) => name === effect.name && valid),
        );
    }
  })();
  return there !== effect.gone;
}

/** One effect as a person says it. */
export function describeEffect(effect: Effect): string {
  const { table } = effect;
  const not = effect.gone ? 'no ' : '';
  switch (effect.kind) {
    case 'table':
      return `${not}table ${table}`;
    case 'notNull':
      return effect.gone ? `${table}.${effect.name} nullable` : `${table}.${effect.name} NOT NULL`;
    case 'rowSecurity':
      return `${not}row level security on ${table}`;
    case 'index':
      return `index ${effect.name}`;
    default:
      return `${not}${effect.kind} ${table}.${effect.name}`;
  }
}
