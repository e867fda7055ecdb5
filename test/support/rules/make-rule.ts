import type { LookupCondition, Rule, TemplateFilter, TemplatePart } from '@highwater/plan';
import { Dice } from './dice.js';
import {
  type AimType,
  type Column,
  type ColumnType,
  type Link,
  type Table,
  type World,
  cell,
  makeTables,
} from './world.js';

/** What a value is for; `plain` is the input of a map, which takes any text that no session writes otherwise. */
type Aim = AimType | 'plain';

interface Place {
  readonly tables: readonly Table[];
  readonly schema: string;
  readonly aim: AimType;
  readonly at: number;
  /** Whose rule this is: only those of later tables may be meant, so that no rule leads back to itself. */
  readonly base: number;
  /** 0: the row itself, whose target no rule may read. */
  readonly depth: number;
  readonly budget: number;
}

const accepted: Readonly<Record<Aim, readonly ColumnType[]>> = {
  text: ['text', 'character varying(8)'],
  bigint: ['bigint', 'integer'],
  uuid: ['uuid'],
  plain: ['text', 'character varying(8)', 'bigint', 'integer', 'uuid', 'boolean', 'app."Kind"'],
};

export function makeWorld(seed: number): World {
  const dice = new Dice(seed);
  const aim = dice.of(['text', 'text', 'text', 'bigint', 'uuid'] as const);
  const tables = makeTables(dice, aim);
  const schema = dice.names(1)[0] ?? 's';
  const rules = tables.map((_, at) => makeRule(dice, { tables, schema, aim, at, base: at, depth: 0, budget: 3 }, aim));
  return { seed, schema, aim, tables, rules };
}

function tableAt(place: Place, at = place.at): Table {
  const table = place.tables[at];
  if (table === undefined) throw new Error('no such table');
  return table;
}

function columnsOf(place: Place, types: readonly ColumnType[]): Column[] {
  const { columns, target } = tableAt(place);
  return columns.filter(({ name, type }) => types.includes(type) && (place.depth > 0 || name !== target));
}

function makeRule(dice: Dice, place: Place, aim: Aim): Rule {
  const kinds = [
    'column',
    'firstOf',
    'via',
    'via',
    'lookup',
    'lookup',
    'lookup',
    'map',
    'template',
    'function',
  ] as const;
  const kind = place.budget === 0 ? 'column' : dice.of(kinds);
  const inner: Place = { ...place, budget: place.budget - 1 };
  switch (kind) {
    case 'firstOf':
      return { kind, rules: Array.from({ length: dice.between(1, 3) }, () => makeRule(dice, inner, aim)) };
    case 'via':
      return makeVia(dice, inner, aim) ?? leaf(dice, place, aim);
    case 'lookup':
      return makeLookup(dice, inner, aim) ?? leaf(dice, place, aim);
    case 'map':
      return { kind, of: makeRule(dice, inner, 'plain'), values: makeMapValues(dice, aim) };
    case 'template':
      return aim === 'text' || aim === 'plain' ? makeTemplate(dice, place) : leaf(dice, place, aim);
    case 'function':
      return makeFunction(dice, inner, aim);
    case 'column':
      return leaf(dice, place, aim);
  }
}

function leaf(dice: Dice, place: Place, aim: Aim): Rule {
  const columns = columnsOf(place, accepted[aim]);
  if (columns.length === 0 || dice.once(6))
    return { kind: 'constant', value: cell(dice, aim === 'plain' ? 'text' : aim) };
  return { kind: 'column', column: dice.of(columns).name };
}

/** A table's own rule fits wherever its target would; a call that gives text fits a map too, one that gives a number does not. */
const ownRuleFits = (place: Place, aim: Aim): boolean => aim === place.aim || (aim === 'plain' && place.aim === 'text');

function makeVia(dice: Dice, place: Place, aim: Aim): Rule | undefined {
  const { links } = tableAt(place);
  if (links.length === 0) return undefined;
  const link: Link = dice.of(links);
  const parent = tableAt(place, link.to);
  const own = link.to > place.base && ownRuleFits(place, aim) && dice.once(3);
  return {
    kind: 'via',
    columns: link.columns,
    ...(link.declared ? {} : { to: { table: { schema: place.schema, name: parent.name }, columns: parent.key } }),
    ...(own ? {} : { then: makeRule(dice, { ...place, at: link.to, depth: place.depth + 1 }, aim) }),
  };
}

function makeLookup(dice: Dice, place: Place, aim: Aim): Rule | undefined {
  const at = dice.between(0, place.tables.length - 1);
  const table = tableAt(place, at);
  const there: Place = { ...place, at, depth: place.depth + 1 };
  const where = new Map<string, LookupCondition>();
  for (let i = dice.between(1, 2); i > 0; i -= 1) {
    const theirs = dice.of(table.columns);
    const ours = columnsOf(place, comparable(theirs.type));
    const constant = where.size > 0 && dice.once(2);
    if (constant) where.set(theirs.name, { theirs: theirs.name, constant: cell(dice, theirs.type) });
    else if (ours.length > 0) where.set(theirs.name, { theirs: theirs.name, ours: dice.of(ours).name });
  }
  if (![...where.values()].some((condition) => 'ours' in condition)) return undefined;
  const taken = columnsOf(there, accepted[aim]);
  const own = at > place.base && ownRuleFits(place, aim) && dice.once(3);
  const take = taken.length > 0 && !dice.once(3) ? { take: dice.of(taken).name } : { then: makeRule(dice, there, aim) };
  const by = Array.from({ length: dice.between(1, 2) }, () => dice.of(table.columns).name);
  return {
    kind: 'lookup',
    table: { schema: place.schema, name: table.name },
    where: [...where.values()],
    ...(own ? {} : take),
    pick: dice.once(2) ? 'single' : { by: [...new Set(by)], order: dice.of(['asc', 'desc'] as const) },
  };
}

const comparable = (type: ColumnType): readonly ColumnType[] =>
  [accepted.text, accepted.bigint].find((family) => family.includes(type)) ?? [type];

function makeMapValues(dice: Dice, aim: Aim): { from: string; to: string }[] {
  const from = ['a', 'B', "o'k", 'x\\y', '1', '2', '-5', 'true', 'x', 'b', ''].filter(() => !dice.once(3));
  return [...from, '3'].map((text) => ({ from: text, to: cell(dice, aim === 'plain' ? 'text' : aim) }));
}

function makeTemplate(dice: Dice, place: Place): Rule {
  const columns = columnsOf(place, accepted.plain).filter(({ name }) => !/[{}|]/.test(name));
  if (columns.length === 0) return leaf(dice, place, 'text');
  const filters = (): TemplateFilter[] =>
    Array.from({ length: dice.of([0, 0, 1, 2]) }, () =>
      dice.once(2)
        ? { filter: 'hash', digits: dice.of([1, 8, 64]) }
        : { filter: 'before', text: dice.of(['@', "'", 'e', '0']) },
    );
  const parts: TemplatePart[] = [{ column: dice.of(columns).name, filters: filters() }];
  if (dice.once(2)) parts.unshift({ text: dice.of(['org-', "'", '{', '}}', '\\', ' ']) });
  if (dice.once(3)) parts.push({ text: ':' }, { column: dice.of(columns).name, filters: filters() });
  return { kind: 'template', parts };
}

/** The functions of `functions.ts`; a rule names an overloaded one with its types. */
function makeFunction(dice: Dice, place: Place, aim: Aim): Rule {
  const call = (name: string, argumentTypes: string[] | undefined, ...given: Rule[]): Rule => ({
    kind: 'function',
    function: { schema: 'app', name, ...(argumentTypes === undefined ? {} : { argumentTypes }) },
    arguments: given,
    reads: [],
  });
  if (aim === 'bigint') return call('next_number', undefined, makeRule(dice, place, 'bigint'));
  if (aim === 'uuid') return call('tenant_of', ['uuid'], makeRule(dice, place, 'uuid'));
  const text = makeRule(dice, place, 'text');
  return dice.once(2)
    ? call('tenant_of', ['text'], text)
    : call('numbered', ['text', 'bigint'], text, makeRule(dice, { ...place, budget: 0 }, 'bigint'));
}
