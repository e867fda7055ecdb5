import { openDatabase, type Database } from '@highwater/target-db';
import { withinLimit } from './stack.js';

type Access = Database['fill'];
type Limit = 'lock_timeout' | 'statement_timeout';

/**
 * The fill's access with sessions that nothing ends: `lock_timeout` and `statement_timeout` are off, and of those that a fill sets itself
 * the `dropped` ones too. Who waits for a lock there waits until it is given. So what comes back while somebody holds the lock has not waited for
 * it, however slow the machine is, and nothing is cut off because it is.
 */
export function withoutLimits(
  database: Database,
  dropped: readonly Limit[],
): { readonly fill: Access; close(): Promise<void> } {
  const own = openDatabase({ ...database.settings, instance: 'unlimited' });
  const setHere = new RegExp(`set local (${dropped.join('|')}) = \\d+`, 'g');
  const session: Access['session'] = (doing, work) =>
    own.fill.session(doing, async (client) => {
      await client.query('set lock_timeout = 0; set statement_timeout = 0');
      const query = (text: string, values?: unknown[]) =>
        client.query(text.replaceAll(setHere, 'set local $1 = 0'), values);
      return work(
        new Proxy(client, {
          get(of, name) {
            if (name === 'query') return query;
            const found: unknown = Reflect.get(of, name);
            return typeof found === 'function' ? (found.bind(of) as unknown) : found;
          },
        }),
      );
    });
  return {
    fill: Object.assign(Object.create(own.fill) as Access, { session }),
    close: () => withinLimit('the sessions without limits to be given back', own.close()),
  };
}
