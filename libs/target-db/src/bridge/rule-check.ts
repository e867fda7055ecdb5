import { HighwaterError, messageOf } from '@highwater/kernel';
import type { Database } from '../session/database.js';
import { sqlstateOf } from '../session/sqlstate.js';
import { entityStatements } from './make-entities.js';
import { ddlCodes } from '../ddl/codes.js';
import type { FillTarget } from '../target.js';

/**
 * Runs the rule once as the bridge's owner with row_security = off: privileges of every table it reads, and row level security,
 * are checked when a statement starts, so one row of NULLs is enough to meet them. `owner` is quoted by the catalog.
 */
export async function checkRuleAsOwner(database: Database, target: FillTarget, owner: string): Promise<void> {
  const { derivation: d } = target;
  try {
    await database.ddl.transaction('running the rule as the bridge', async (client) => {
      await client.query(`set local statement_timeout = '5s'`);
      await client.query(`set local role ${owner}`);
      await client.query('set local row_security = off');
      await client.query(
        `select v.value is null as empty, ${d.referentExists === undefined ? 'true' : `(${d.referentExists})`} as referent
           from (select (null::${d.table.ident}).*) as r cross join lateral (select (${d.expression}) as value) as v`,
      );
      // whoever may not insert is told so, also of a row of NULLs, of which as a rule nothing is made; rolled back in any case
      for (const statement of entityStatements(d, target.migrationId, `select (null::${d.table.ident}).*`))
        await client.query(statement);
      await client.query('rollback; begin');
    });
  } catch (error) {
    throw new HighwaterError(
      ddlCodes.bridgeRuleFails,
      'never',
      `the rule of ${d.table.ident}.${d.target.ident} cannot be run as role ${owner}, which would own the bridge: ${messageOf(error)}`,
      { table: d.table.ident, role: owner, sqlstate: sqlstateOf(error) ?? null },
      'run the statements that `highwater init --print-grants` prints, then ask again',
      { cause: error },
    );
  }
}
