import type { FillTarget } from '../target.js';
import { journalKey } from '../fill/journal.js';
import { entityStatements } from './make-entities.js';
import { bridgeFunctionName, bridgeName, literal, ownershipComment } from '../ddl/names.js';

/** `assign` fills the value in; `observe` only reports who still inserts NULL (mode strict). */
export type BridgeMode = 'assign' | 'observe';

export interface BridgeDefinition {
  /** `highwater.hw_…`: needs no quoting. */
  readonly functionName: string;
  readonly triggerName: string;
  readonly createFunction: string;
  readonly createTrigger: string;
  /** COMMENT of both: migration id and hash of the definition. */
  readonly comment: string;
}

export interface BridgeOptions {
  readonly mode: BridgeMode;
  /** False for a plan without a stream: nobody would read the messages. */
  readonly reports: boolean;
}

/**
 * The trigger that keeps legacy writers alive (DESIGN section 9.1). It never raises before enforcement: any error of the rule
 * leaves NULL and is reported as `failed`; only operator interventions and retryable classes pass, since the application retries
 * those anyway. The names `transaction_rollback` and `operator_intervention` match their whole SQLSTATE class.
 * An entity that the value leads to and that is not there yet is made first, as part of the application's own statement: two transactions that
 * make the same two new ones in opposite order can deadlock, which is the price of a row that has its value at once.
 * The value is held in a record, not in a variable of the target's type: a domain that refuses NULL would raise on declaration.
 */
export function bridgeDefinition(target: FillTarget, options: BridgeOptions): BridgeDefinition {
  const { derivation: d } = target;
  const functionName = `highwater.${bridgeFunctionName(target)}`;
  const triggerName = bridgeName(target);
  const report = (outcome: string): string =>
    options.reports
      ? `perform pg_catalog.pg_logical_emit_message(false, 'highwater.bridge', pg_catalog.json_build_object('m', ${literal(target.migrationId)}, 't', ${target.targetNo}, 'a', pg_catalog.current_setting('application_name'), 'u', session_user, 'o', ${outcome})::text);`
      : 'null;';
  const evaluate = `select v.value into hw_found
      from (select new.*) as r
     cross join lateral (select (${d.expression}) as value) as v${d.referentExists === undefined ? '' : `\n     where v.value is null or (${d.referentExists})`};`;
  const makes = options.mode === 'assign' ? entityStatements(d, target.migrationId, 'select new.*') : [];
  // a statement of its own sees what the one before it made
  const makeMissing =
    makes.length === 0
      ? ''
      : `
    if hw_found.value is null then
      ${makes.map((statement) => `${statement};`).join('\n      ')}
      ${evaluate}
    end if;`;
  const body = `
#variable_conflict use_column
declare
  hw_found record;
begin
  begin
    ${evaluate}${makeMissing}
    if hw_found.value is null then
      ${report(`'left_null'`)}
    else
      ${options.mode === 'assign' ? `${enterValue(target)}new.${d.target.ident} := hw_found.value;` : 'null;'}
      ${report(`'resolved'`)}
    end if;
  exception
    when operator_intervention or transaction_rollback or lock_not_available then
      raise;
    when others then
      ${report(`'failed'`)}
  end;
  return new;
end
`;
  const createFunction =
    `create function ${functionName}() returns trigger\n  language plpgsql volatile security definer\n` +
    `  set search_path = pg_catalog, pg_temp${d.journal === true ? asTextEverywhere : ''}\n  as ${dollarQuoted(body)}`;
  const createTrigger =
    `create trigger "${triggerName}" before insert or update on ${d.table.ident}\n` +
    `  for each row when (new.${d.target.ident} is null) execute function ${functionName}()`;
  return {
    functionName,
    triggerName,
    createFunction,
    createTrigger,
    comment: ownershipComment(target, `${createFunction};${createTrigger}`),
  };
}

/** A dollar quote whose tag does not occur in the text: a rule may hold any literal. */
export function dollarQuoted(text: string): string {
  let tag = '$highwater$';
  for (let n = 1; text.includes(tag); n += 1) tag = `$highwater${n}$`;
  return `${tag}${text}${tag}`;
}

/** A value's text must not depend on the settings of the application that writes: the journal is compared with it later. */
const asTextEverywhere =
  " set datestyle = 'ISO, YMD' set intervalstyle = postgres set timezone = 'UTC' set extra_float_digits = 1 set bytea_output = hex";

/**
 * Enters the value before it is assigned: an entry that fails leaves NULL, never a value without entry. An INSERT that meets its own key
 * (ON CONFLICT) changes nothing or becomes an UPDATE, so its entry would be about a value that the application wrote.
 */
function enterValue(target: FillTarget): string {
  const { key, table, journal } = target.derivation;
  if (journal !== true) return '';
  const own = key.map((k) => `r.${k.ident} = new.${k.ident}`).join(' and ');
  return `insert into highwater.journal (migration_id, target_no, key, value)
        select ${literal(target.migrationId)}, ${target.targetNo}, ${journalKey(target, 'new')}, hw_found.value::text
         where tg_op = 'UPDATE' or not exists (select from ${table.ident} as r where ${own});
      `;
}
