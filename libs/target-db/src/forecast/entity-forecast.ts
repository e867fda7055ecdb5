import type { EntitiesToCome, ForeseenEntity } from '@highwater/derivation';
import type { NoValueReason } from '@highwater/kernel';
import { messageOf } from '@highwater/kernel';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import type { Access } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { sqlstateOf } from '../session/sqlstate.js';
import { reading, statementMsMax } from './look.js';
import { keysShownMax } from './outcome.js';
import { withToCome } from './statements.js';

/** What becomes of the rows that one entry of `entities` names. */
export interface EntityForecast {
  readonly table: string;
  readonly from: string;
  readonly createdBy: 'highwater' | 'application';
  /** Rows of the source; null with everything else: nothing could be known, `notes` say why. */
  readonly sources: number | null;
  /** Distinct entities that the sources name and that are there. */
  readonly existing: number;
  /** Distinct entities that will be made; with `application`, that are waited for. */
  readonly missing: number;
  /** Sources of which none can be made, and why. */
  readonly withoutIdentity: readonly {
    readonly reason: NoValueReason;
    readonly rows: number;
    /** Keys of the source. */
    readonly keys: readonly (readonly string[])[];
    readonly sql: string;
  }[];
  readonly notes: readonly string[];
}

interface CountedRow extends Record<string, unknown> {
  what: string;
  rows: number;
  distinct: number;
  keys: string[][];
}

/** One statement over the source, within the time of one. */
export async function forecastEntity(
  accesses: readonly Access[],
  { entity, source }: ForeseenEntity,
  toCome: readonly EntitiesToCome[],
): Promise<EntityForecast> {
  const { table, identity, sourceKey, createdBy, reason } = entity;
  const known = {
    table: `${table.schema}.${table.name}`,
    from: `${entity.source.schema}.${entity.source.name}`,
    createdBy,
  };
  const doing = `forecast of the entities ${table.ident}`;
  const keys = sourceKey.map(({ ident }) => `r.${ident}::pg_catalog.text`).join(', ');
  const same = identity.map(({ ident }, i) => `e.${ident} OPERATOR(pg_catalog.=) v.k${i}`).join(' and ');
  const values = identity.map(({ expression }, i) => `${expression} as k${i}`).join(', ');
  const names = identity.map((_, i) => `v.k${i}`).join(', ');
  const judged = `judged as materialized (
  select array[${keys}] as key, case when v.why is not null then 'reason:' || v.why
         when exists (select from ${table.kind === 'r' ? 'only ' : ''}${table.ident} as e where ${same}) then 'existing' else 'missing' end as what, row(${names})::text as identity
    from ${source} cross join lateral (select ${values}, (${reason}) as why offset 0) as v
)`;
  const text = withToCome(
    toCome,
    [judged],
    `select what, count(*)::float8 as rows, count(distinct identity)::float8 as distinct,
       case when what ~ '^reason:' then to_jsonb((array_agg(key order by key))[1:${keysShownMax}]) else '[]' end as keys
  from judged group by what`,
  );
  const unknown = (why: string): EntityForecast => ({ ...known, sources: null, existing: 0, missing: 0, withoutIdentity: [], notes: [`unknown: ${why}`] }); // prettier-ignore
  let refusal = '';
  for (const access of accesses)
    try {
      const { rows } = await reading(access, doing, (client) => client.query<CountedRow>(text));
      return {
        ...known,
        ...told(rows, (why) => withToCome(toCome, [], sourcesWithout(entity, source, why))),
        notes: [],
      };
    } catch (error) {
      if (isTransient(error)) return unknown(`its source takes longer than ${statementMsMax} ms to read`);
      if (rowRefusal(error)) return unknown(`its rules fail on a row (SQLSTATE ${sqlstateOf(error) ?? 'none'})`);
      if (sqlstateOf(error) === '42883') return unknown('its identity has a type that does not compare with =');
      if (sqlstateOf(error) !== '42501') throw databaseError(error, doing);
      refusal = messageOf(error);
    }
  return unknown(`no access role may read it: ${refusal}`);
}

function told(
  rows: readonly CountedRow[],
  sqlOf: (why: string) => string,
): Pick<EntityForecast, 'sources' | 'existing' | 'missing' | 'withoutIdentity'> {
  const of = (what: string): number => rows.find((row) => row.what === what)?.distinct ?? 0;
  return {
    sources: rows.reduce((sum, row) => sum + row.rows, 0),
    existing: of('existing'),
    missing: of('missing'),
    withoutIdentity: rows
      .filter(({ what }) => what.startsWith('reason:'))
      .map(({ what, rows: count, keys }) => {
        const why = what.slice('reason:'.length) as NoValueReason;
        return { reason: why, rows: count, keys, sql: sqlOf(why) };
      })
      .sort((a, b) => b.rows - a.rows),
  };
}

const sourcesWithout = ({ sourceKey, reason }: ForeseenEntity['entity'], source: string, why: string): string => {
  const keys = sourceKey.map(({ ident }) => `r.${ident}`).join(', ');
  return `select ${keys} from ${source} where (${reason}) = '${why}' order by ${keys} limit 100;`;
};
