import { type PlanPath, formatPath, suggest } from '@highwater/plan';
import type { CatalogTable } from './catalog.js';
import { type DerivationCode, derivationCodes } from './codes.js';

/** One finding of the catalog against the plan. `path` is a plan path (`tables[1].rule.firstOf[0].via`): `positions.issueAt(path, issue)` places it. */
export interface DerivationIssue {
  readonly code: DerivationCode;
  readonly path: string;
  readonly message: string;
  readonly notes: readonly string[];
  readonly help?: string;
}

/** Collects issues once each: a parent's rule is compiled for the parent and again for every child. */
export class Issues {
  readonly #issues = new Map<string, DerivationIssue>();

  add(
    code: DerivationCode,
    path: PlanPath,
    message: string,
    more: { notes?: readonly string[]; help?: string } = {},
  ): void {
    const issue = {
      code,
      path: formatPath(path),
      message,
      notes: more.notes ?? [],
      ...(more.help === undefined ? {} : { help: more.help }),
    };
    this.#issues.set(`${issue.code} ${issue.path} ${issue.message}`, issue);
  }

  columnMissing(path: PlanPath, table: CatalogTable, column: string): void {
    const near = suggest(column, table.columns.keys());
    const help =
      near === undefined ? undefined : `did you mean ${JSON.stringify(near)}? Names are case-sensitive here.`;
    this.add(
      derivationCodes.ColumnMissing,
      path,
      `column ${JSON.stringify(column)} does not exist on table ${nameOf(table)}`,
      {
        notes: [`the table has: ${listNames(table.columns.keys())}`],
        ...(help === undefined ? {} : { help }),
      },
    );
  }

  get list(): DerivationIssue[] {
    return [...this.#issues.values()];
  }
}

/** For people: `public.Group`. */
export const nameOf = (table: CatalogTable): string => `${table.schema}.${table.name}`;

const namesShownMax = 40;

export function listNames(names: Iterable<string>): string {
  const all = [...names];
  const shown = all.slice(0, namesShownMax).join(', ');
  return all.length > namesShownMax ? `${shown}, … ${all.length - namesShownMax} more` : shown || 'nothing';
}
