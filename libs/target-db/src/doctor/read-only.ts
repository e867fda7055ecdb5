import type { Access, Client } from '../session/database.js';

/** One snapshot in which nothing can be written, whatever the access role may do; a statement is given up after `statementMsMax`. */
export const readOnly = <T>(
  access: Access,
  doing: string,
  work: (client: Client) => Promise<T>,
  statementMsMax = 30_000,
): Promise<T> =>
  access.session(doing, async (client) => {
    await client.query('begin isolation level repeatable read read only');
    try {
      await client.query(`select set_config('statement_timeout', $1, true)`, [`${statementMsMax}ms`]);
      const answer = await work(client);
      await client.query('commit');
      return answer;
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw error;
    }
  });
