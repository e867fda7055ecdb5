import { type FunctionName, type FunctionRule, formatFunctionName, parseFunctionName, schemaOf } from '@highwater/plan';
import type { Aim } from './aim.js';
import type { CatalogFunction } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import type { FunctionNode, Node } from './node.js';
import type { RuleResolver, Scope } from './resolve.js';
import { fitsWithoutLoss, sameType } from './types.js';

export function resolveFunction(resolver: RuleResolver, rule: FunctionRule, scope: Scope): Node | undefined {
  const called = findFunction(resolver, rule, scope);
  const reads = resolveReads(resolver, rule, scope);
  if (called === undefined || reads === undefined) return undefined;
  const given = rule.arguments.map((argument, i) => {
    const aim = argumentAim(called, i);
    const node = resolver.resolve(argument, { ...scope, path: [...scope.path, 'arguments', i], aim });
    return node === undefined ? undefined : { node, aim };
  });
  if (!given.every((argument) => argument !== undefined)) return undefined;
  return { kind: 'function', called, arguments: given, reads };
}

/** An argument is cast to exactly the parameter's type, so that a new overload can never be taken instead. */
function argumentAim(called: CatalogFunction, i: number): Aim {
  const { type, typeOid } = called.arguments[i] ?? { type: '', typeOid: 0 };
  return { what: `argument ${i + 1} of ${called.schema}.${called.name}`, asText: false, type, typeOid };
}

function findFunction(resolver: RuleResolver, rule: FunctionRule, scope: Scope): CatalogFunction | undefined {
  const { issues, catalog } = resolver.lookup;
  const path = [...scope.path, 'function'];
  const named = (catalog.functions ?? []).filter((each) => isNamed(each, rule.function));
  const fitting = named.filter((each) => each.arguments.length === rule.arguments.length);
  const written = formatFunctionName(rule.function);
  const [called, second] = fitting;
  if (called === undefined || second !== undefined) {
    const message =
      called === undefined
        ? `there is no function ${written} of ${rule.arguments.length} argument(s), or it is not visible to this session`
        : `several functions ${written} take ${rule.arguments.length} argument(s)`;
    issues.add(codes.FunctionMissing, path, message, {
      notes: named.length === 0 ? [] : [`there is: ${named.map(signature).join(', ')}`],
      ...(called === undefined ? {} : { help: `say which: function: ${signature(called)}` }),
    });
    return undefined;
  }
  if (!called.allowed) {
    const message = `function ${signature(called)} is not among those that the configuration allows`;
    issues.add(codes.FunctionNotAllowed, path, message, {
      help: `set HIGHWATER_ALLOWED_FUNCTIONS to a list with ${called.schema}.${called.name} in it`,
    });
    return undefined;
  }
  const against = unsuitable(called);
  if (against !== undefined) {
    issues.add(codes.FunctionUnsuitable, path, `function ${signature(called)} ${against}`);
    return undefined;
  }
  if (!fitsWithoutLoss(called.returns.type, scope.aim.type)) {
    const message = `function ${signature(called)} returns ${called.returns.type}; ${scope.aim.what} is ${scope.aim.type}`;
    issues.add(codes.TypeMismatch, path, message);
    return undefined;
  }
  return called;
}

function unsuitable(called: CatalogFunction): string | undefined {
  if (called.kind !== 'f') return 'is no plain function';
  if (called.returnsSet) return 'returns a set';
  if (called.variadic) return 'takes a variable number of arguments';
  if (called.volatility === 'v') return 'is volatile: its value does not follow from the row';
  if (called.securityDefiner) return 'is SECURITY DEFINER: it would read with privileges that the bridge does not have';
  return undefined;
}

type NamedFunction = Pick<CatalogFunction, 'schema' | 'name' | 'arguments'>;

const isNamed = (each: NamedFunction, name: FunctionName): boolean =>
  each.name === name.name &&
  each.schema === schemaOf(name) &&
  (name.argumentTypes === undefined ||
    (name.argumentTypes.length === each.arguments.length &&
      name.argumentTypes.every((type, i) => sameType(type, each.arguments[i]?.type ?? ''))));

/** Whether a list such as `app.tenant_of, app.region(uuid)` names the function. */
export const isAmong = (called: NamedFunction, list: readonly string[]): boolean =>
  list.some((text) => {
    const name = parseFunctionName(text);
    return name !== undefined && isNamed(called, name);
  });

const signature = (called: CatalogFunction): string =>
  `${called.schema}.${called.name}(${called.arguments.map(({ type }) => type).join(', ')})`;

function resolveReads(resolver: RuleResolver, rule: FunctionRule, scope: Scope): FunctionNode['reads'] | undefined {
  const reads = rule.reads.map(({ table: name, columns }) => {
    const path = [...scope.path, 'reads'];
    const table = resolver.lookup.table(name, path);
    if (table === undefined) return undefined;
    const found = columns.map((column) => resolver.lookup.column(table, column, path));
    return found.every((column) => column !== undefined) ? { table, columns: found } : undefined;
  });
  return reads.every((read) => read !== undefined) ? reads : undefined;
}
