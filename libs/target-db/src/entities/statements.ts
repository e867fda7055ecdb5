import type { CompiledEntity } from '@highwater/derivation';
import { literal } from '../ddl/names.js';
import { keyTexts, keyTuple, orderBy, parameterTuple, type Keyed } from '../fill/statements.js';

/*
 * Statements over an entity's sources, alias `r`. Source keys travel as the server's own text, one array for each key column, from `$1` on.
 */

/** The source rows of an entity, as what is found by a key. */
export const sourcesOf = (entity: CompiledEntity): Keyed => ({ derivation: { key: entity.sourceKey } });

const source = ({ source: { kind, ident } }: CompiledEntity): string => `${kind === 'r' ? 'only ' : ''}${ident}`;

const arrays = (from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => `pg_catalog.unnest($${from + i}::pg_catalog.text[])`).join(', ');

/** `rows from (…) as w (k0, …) join <source> as r on …`, the keys being the first parameters. */
function named(entity: CompiledEntity): string {
  const { sourceKey } = entity;
  const columns = sourceKey.map((_, i) => `k${i}`).join(', ');
  const on = sourceKey.map((key, i) => `r.${key.ident} = w.k${i}::${key.type}`).join(' and ');
  return `rows from (${arrays(1, sourceKey.length)}) as w (${columns}) join ${source(entity)} as r on ${on}`;
}

/** The next sources after a key in their order, and of each whether its entity is `there`; `$n + 1` says how many. */
export const sourcesAfter = (entity: CompiledEntity, after: boolean): string =>
  nextSources(entity, after, entity.exists);

/** The same without working out what any of them is the source of: where doing so is refused. */
export const sourceAlone = (entity: CompiledEntity, after: boolean): string => nextSources(entity, after, 'false');

function nextSources(entity: CompiledEntity, after: boolean, there: string): string {
  const keyed = sourcesOf(entity);
  const where = after ? ` where ${keyTuple(keyed, 'r')} > ${parameterTuple(keyed, 1)}` : '';
  const limit = after ? entity.sourceKey.length + 1 : 1;
  return `select ${keyTexts(keyed, 'r')}, (${there}) as there from ${source(entity)} as r${where} order by ${orderBy(keyed)} limit $${limit}`;
}

/**
 * Looks at the sources named by hints, all on one snapshot; parameters as of `judgeHints`. One row for each hint, in the order of the identities: `ordinal`,
 * `visible`, `present`, `there` (the entity is), `reason` (why it cannot be made), `k0`, ….
 */
export function judgeSources(entity: CompiledEntity): string {
  const { sourceKey, identity } = entity;
  const n = sourceKey.length;
  const names = [...sourceKey.map((_, i) => `k${i}`), 'xid', 'forced', 'ordinal'].join(', ');
  const casts = sourceKey.map((key, i) => `h.k${i}::${key.type} as k${i}`).join(', ');
  const on = sourceKey.map((key, i) => `r.${key.ident} = h.k${i}`).join(' and ');
  const of = identity.map(({ expression }, i) => `(${expression}) as i${i}`).join(', ');
  const order = identity.map((_, i) => `s.i${i}`).join(', ');
  const texts = sourceKey.map((_, i) => `h.k${i}::pg_catalog.text as k${i}`).join(', ');
  return (
    `with hint as materialized (select h.ordinal, ${casts}, h.forced or pg_catalog.pg_visible_in_snapshot(h.xid::pg_catalog.xid8, pg_catalog.pg_current_snapshot()) as visible` +
    ` from rows from (${arrays(1, n + 1)}, pg_catalog.unnest($${n + 2}::pg_catalog.bool[])) with ordinality as h (${names}))` +
    ` select h.ordinal::pg_catalog.int4 as ordinal, h.visible, s.present is not null as present, coalesce(s.there, false) as there, s.reason, ${texts}` +
    ` from hint as h left join lateral (select true as present, (${entity.exists}) as there, (${entity.reason})::pg_catalog.text as reason, ${of}` +
    ` from ${source(entity)} as r where h.visible and ${on}) as s on true order by ${order}, ${sourceKey.map((_, i) => `h.k${i}`).join(', ')}, h.ordinal`
  );
}

/**
 * Makes the entities of the named sources if absent and records each it made, in one statement: neither is without the other. In the order of the
 * identities, so that two of us that make the same ones wait for each other in one direction only; of several sources of one entity the first
 * by its key gives the values. After the keys: migration id and entity number.
 */
export function makeEntities(entity: CompiledEntity): string {
  const { sourceKey, identity, values, table } = entity;
  const n = sourceKey.length;
  const columns = [...identity, ...values];
  const worked = columns.map(({ expression }, i) => `(${expression}) as c${i}`).join(', ');
  const keys = sourceKey.map(({ ident }, i) => `r.${ident} as k${i}`).join(', ');
  const identities = identity.map((_, i) => `s.c${i}`).join(', ');
  return (
    `with source as materialized (select ${keys}, ${worked} from ${named(entity)} where (${entity.reason}) is null and not (${entity.exists}))` +
    `, made as (insert into ${table.ident} (${columns.map(({ ident }) => ident).join(', ')})` +
    ` select ${columns.map((_, i) => `d.c${i}`).join(', ')} from (select distinct on (${identities}) s.* from source as s` +
    ` order by ${identities}, ${sourceKey.map((_, i) => `s.k${i}`).join(', ')}) as d order by ${identity.map((_, i) => `d.c${i}`).join(', ')}` +
    ` on conflict (${identity.map(({ ident }) => ident).join(', ')}) do nothing` +
    ` returning ${identity.map(({ ident }, i) => `${ident}::pg_catalog.text as k${i}`).join(', ')})` +
    `, recorded as (insert into highwater.created_entity (migration_id, entity_no, key)` +
    ` select $${n + 1}::pg_catalog.text, $${n + 2}::pg_catalog.int4, array[${identity.map((_, i) => `m.k${i}`).join(', ')}]::pg_catalog.text[] from made as m on conflict do nothing)` +
    ` select pg_catalog.count(*)::pg_catalog.int4 as made from made`
  );
}

/**
 * The same for one source, as a statement without parameters: what a trigger runs.
 * @param where what stands behind `from`, the source's alias being `r`; with a condition that several sources may meet: the first by its key
 */
export function makeEntity(
  entity: CompiledEntity,
  entityNo: number,
  migrationId: string,
  { from, condition }: { readonly from: string; readonly condition?: string },
): string {
  const { sourceKey, identity, values, table } = entity;
  const columns = [...identity, ...values];
  const conditions = [
    ...(condition === undefined ? [] : [condition]),
    `(${entity.reason}) is null`,
    `not (${entity.exists})`,
  ];
  const first =
    condition === undefined ? '' : ` order by ${sourceKey.map(({ ident }) => `r.${ident}`).join(', ')} limit 1`;
  return (
    `with source as (select ${columns.map(({ expression }, i) => `(${expression}) as c${i}`).join(', ')} from ${from} where ${conditions.join(' and ')}${first})` +
    `, made as (insert into ${table.ident} (${columns.map(({ ident }) => ident).join(', ')}) select ${columns.map((_, i) => `s.c${i}`).join(', ')} from source as s` +
    ` on conflict (${identity.map(({ ident }) => ident).join(', ')}) do nothing returning ${identity.map(({ ident }, i) => `${ident}::pg_catalog.text as k${i}`).join(', ')})` +
    ` insert into highwater.created_entity (migration_id, entity_no, key)` +
    ` select ${literal(migrationId)}, ${Number(entityNo)}, array[${identity.map((_, i) => `m.k${i}`).join(', ')}]::pg_catalog.text[] from made as m on conflict do nothing`
  );
}

/** Of the source, by name: more than these nobody has granted us to read. */
function columnsRead({ source: { relid, columns }, sourceKey, inputs }: CompiledEntity): string {
  const read = inputs.find((input) => input.relid === relid)?.columns ?? [];
  const idents = [...sourceKey.map(({ ident }) => ident), ...read.flatMap((name) => columns.get(name)?.ident ?? [])];
  return [...new Set(idents)].map((ident) => `r.${ident}`).join(', ');
}

/** The named sources whose entity is not there, and why it cannot be made: NULL when something took the row away. */
export const sourcesLeft = (entity: CompiledEntity): string =>
  `select ${keyTexts(sourcesOf(entity), 'r')}, (${entity.reason})::pg_catalog.text as reason from ${named(entity)} where not (${entity.exists})`;

/**
 * Sources that could have their entity, have none and are not listed as unfillable: how many, and the first `$1` of them; `$2`, `$3` migration and
 * entity number. OFFSET 0: why one cannot be made is asked of those without entity only, not of every row before.
 */
export function countMissing(entity: CompiledEntity): string {
  const keyed = sourcesOf(entity);
  const key = entity.sourceKey.map(({ ident }) => `r.${ident}::pg_catalog.text`).join(', ');
  const absent = `(select ${columnsRead(entity)} from ${source(entity)} as r where not (${entity.exists}) offset 0) as r`;
  const listed =
    'select from highwater.unfillable_entity as u where u.migration_id = $2::pg_catalog.text and u.entity_no = $3::pg_catalog.int4' +
    ` and u.closed_at is null and u.source_key = array[${key}]::pg_catalog.text[]`;
  const missing = `from ${absent} where (${entity.reason}) is null and not exists (${listed})`;
  return (
    `with missing as materialized (select ${entity.sourceKey.map(({ ident }) => `r.${ident}`).join(', ')} ${missing})` +
    ` select (select pg_catalog.count(*) from missing)::pg_catalog.text as count, (select pg_catalog.json_agg(f.key) from (select pg_catalog.json_build_array(${key}) as key from missing as r order by ${orderBy(keyed)} limit $1) as f) as first`
  );
}
