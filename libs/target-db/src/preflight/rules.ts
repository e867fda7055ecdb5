import type { CompiledDerivation, CompiledEntity, DerivationInput, TableSearch } from '@highwater/derivation';
import { messageOf } from '@highwater/kernel';
import type { Plan } from '@highwater/plan';
import type { Access, Database } from '../session/database.js';
import { isConnectionLoss } from '../session/errors.js';
import { sqlstateOf } from '../session/sqlstate.js';
import { explainAssertions } from '../verify/assertions.js';
import type { Finding } from './check.js';

/** What running the rules would show late: each of them is run once, over a row of NULLs, and its look-ups are held against the indexes. */
export async function ruleFindings(
  database: Database,
  derivations: readonly CompiledDerivation[],
  entities: readonly CompiledEntity[],
): Promise<Finding[]> {
  const ran = await Promise.all([
    ...derivations.map((derivation) => runRule(database.fill, ruleOf(derivation))),
    ...entities.map((entity) => runRule(database.fill, rulesOfEntity(entity))),
  ]);
  const searches = await searchFindings(
    database.state,
    [...derivations, ...entities].flatMap(({ searches }) => searches ?? []),
  );
  return [...ran.flat(), ...searches];
}

interface Runnable {
  readonly what: string;
  readonly table: string;
  readonly over: string;
  readonly expressions: readonly string[];
  readonly inputs: readonly DerivationInput[];
}

const ruleOf = ({ table, target, expression, reason, inputs }: CompiledDerivation): Runnable => ({
  what: `the rule of ${table.ident}.${target.ident}`,
  table: table.ident,
  over: table.ident,
  expressions: [`(${expression}) is null`, reason],
  inputs,
});

const rulesOfEntity = ({ table, source, identity, values, reason, exists, inputs }: CompiledEntity): Runnable => ({
  what: `a rule of entity ${table.ident} from ${source.ident}`,
  table: table.ident,
  over: source.ident,
  expressions: [...[...identity, ...values].map(({ expression }) => `(${expression}) is null`), reason, exists],
  inputs,
});

/** Assertions are planned, not run: what they would meet after hours is told now. */
export async function assertionFindings(fill: Access, plan: Plan): Promise<Finding[]> {
  const later = plan.tables.some((entry) => entry.target.addColumn);
  return (await explainAssertions(fill, plan.assertions)).map(({ name, error, sqlstate: state }) => ({
    check: 'AssertionRuns',
    status: later && state === '42703' ? 'warn' : 'fail',
    message: `assertion "${name}" cannot be run: ${error}`,
  }));
}

/** Constants are cast when the statement is read, so one row is enough to meet one that is no value of its type. */
async function runRule(fill: Access, { what, table, over, expressions, inputs }: Runnable): Promise<Finding[]> {
  // a rule over a column that expand is going to add cannot run yet
  if (inputs.some(({ shapes }) => shapes.some(({ attnum }) => attnum === 0))) return [];
  try {
    await fill.transaction(what, async (client) => {
      await client.query(`set local statement_timeout = '5s'; set transaction read only`);
      await client.query(`select ${expressions.join(', ')} from (select (null::${over}).*) as r`);
    });
    return [];
  } catch (error) {
    if (isConnectionLoss(error)) throw error; // says nothing about the rule
    // told as missing grants already
    if (sqlstateOf(error) === '42501') return [];
    const message = `${what} cannot be run: ${messageOf(error)} (${sqlstateOf(error) ?? 'no SQLSTATE'})`;
    return [{ check: 'RuleRuns', status: 'fail', table, message }];
  }
}

/** A scan of so many rows for each row is what nobody waits for. */
const rowsScannedMax = 10_000;

async function searchFindings(state: Access, searches: readonly TableSearch[]): Promise<Finding[]> {
  if (searches.length === 0) return [];
  const rows = await state.query<{ ident: string; columns: string[]; rows: number; fix: string }>(
    'preflight: reading the indexes of look-ups',
    `select w.ident, w.columns, c.reltuples::float8 as rows,
            format('create index concurrently on %s (%I)', w.ident, w.columns ->> 0) as fix
       from json_to_recordset($1::json) as w (relid oid, ident text, columns json)
       join pg_class c on c.oid = w.relid
      where not exists (
        select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
         where i.indrelid = w.relid and i.indisvalid and i.indpred is null
           and a.attname in (select json_array_elements_text(w.columns)))`,
    [JSON.stringify(searches)],
  );
  return rows.map(({ ident, columns, rows: estimated, fix }) => ({
    check: 'LookupNotIndexed',
    status: 'warn',
    table: ident,
    message: `${ident} is looked up by ${columns.join(', ')}, and no index begins with ${columns.length === 1 ? 'it' : 'one of them'}: each row costs a scan of ${estimated < 0 ? 'the table (never analysed)' : `about ${Math.round(estimated)} rows`}`,
    fixSql: fix,
    needsAcceptance: estimated >= rowsScannedMax,
  }));
}
