import { isAmong, type CatalogFunction, type Ident } from '@highwater/derivation';
import { rulesOfPlan, schemaOf, walkRule, type FunctionName, type Plan } from '@highwater/plan';
import type { Access } from '../session/database.js';

/** Functions that a plan's rules call. */
export function functionsOfPlan(plan: Plan): FunctionName[] {
  const found: FunctionName[] = [];
  for (const { entry } of rulesOfPlan(plan))
    walkRule(entry.rule, [], (rule) => void (rule.kind === 'function' && found.push(rule.function)));
  return found;
}

/** All overloads of the named functions, compared exactly; `definition` changes with body, settings and language. */
export async function readFunctions(access: Access, names: readonly FunctionName[]): Promise<CatalogFunction[]> {
  const rows = await access.query<
    Omit<CatalogFunction, 'ident' | 'allowed'> & { ident: string } & Record<string, unknown>
  >(
    'reading functions',
    `select p.oid::int8::float8 as oid, n.nspname::text as schema, p.proname::text as name, format('%I.%I', n.nspname, p.proname) as ident,
            (select coalesce(json_agg(json_build_object('type', format_type(t.oid, null), 'typeOid', t.oid::int8) order by o), '[]')
               from unnest(p.proargtypes) with ordinality as t (oid, o)) as arguments,
            json_build_object('type', format_type(p.prorettype, null), 'typeOid', p.prorettype::int8) as returns,
            p.prokind::text as kind, p.provolatile::text as volatility, p.proretset as "returnsSet", p.provariadic <> 0 as variadic,
            p.prosecdef as "securityDefiner", ${functionDefinition} as definition
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where (n.nspname, p.proname) in (select w.schema, w.name from unnest($1::text[], $2::text[]) as w (schema, name))
      order by 3, 2, 1`,
    [names.map(schemaOf), names.map(({ name }) => name)],
  );
  return rows.map((row) => ({ ...row, ident: row.ident as Ident, allowed: isAmong(row, access.allowedFunctions) }));
}

/** What the function of `p` (pg_proc) does, in short; a body written in SQL standard form has no source text. */
export const functionDefinition = `encode(sha256(convert_to(concat_ws(' ', p.prolang, p.provolatile, p.prosecdef, p.proconfig::text, p.prosrc, p.probin, p.prosqlbody::text), 'UTF8')), 'hex')`;
