import { leftoversOf } from '../finish/leftovers.js';
import type { Access } from '../session/database.js';
import type { Finding } from './check.js';

export async function leftoverFindings(state: Access, own: string | undefined): Promise<Finding[]> {
  const [installed] = await state.query<{ there: boolean }>(
    'preflight: looking for schema highwater',
    `select coalesce((select case when has_schema_privilege(oid, 'usage') then to_regclass('highwater.migration') is not null end
                       from pg_namespace where nspname = 'highwater'), false) as there`,
  );
  const living = installed?.there
    ? await state.query<{ short: string }>(
        'preflight: reading living migrations',
        `select short from highwater.migration where phase <> 'finished'`,
      )
    : [];
  const known = new Set([...living.map((m) => m.short), ...(own === undefined ? [] : [own])]);
  const left = (await leftoversOf(state)).filter((l) => !known.has(l.short));
  if (left.length === 0)
    return [{ check: 'Leftover', status: 'pass', message: 'nothing is left of an earlier migration' }];
  return left.map((l) => ({
    check: 'Leftover',
    status: 'warn',
    ...(l.on === null ? {} : { table: l.on }),
    message: `${l.kind} ${l.name}${l.on === null ? '' : ` on ${l.on}`} belongs to no living migration`,
  }));
}
