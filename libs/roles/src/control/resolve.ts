import { createHash } from 'node:crypto';
import { compilePlan, type Catalog, type CompiledDerivation } from '@highwater/derivation';
import { HighwaterError, type MigrationId } from '@highwater/kernel';
import { formatIssue, parsePlan, type ParsedPlan, type Plan, type PlanIssue } from '@highwater/plan';
import {
  readCatalogForPlan,
  readStoredCatalog,
  readTableNames,
  storeCatalog,
  type Access,
  type EntityTarget,
  type FillTarget,
} from '@highwater/target-db';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** 8 hex digits that name the temporary objects of a migration: of its id, so that a crash before the first event finds them again. */
export const shortOf = (migrationId: string): string => sha256(`highwater/${migrationId}`).slice(0, 8);

export interface ResolvedPlan {
  readonly parsed: ParsedPlan;
  readonly plan: Plan;
  readonly catalog: Catalog;
  readonly derivations: readonly CompiledDerivation[];
  readonly targets: readonly FillTarget[];
  /** In the plan's order: an entity is made from tables of the application or from earlier ones. */
  readonly entities: readonly EntityTarget[];
}

/** A plan that cannot be carried out, with the place of each finding; what the API and the CLI show. */
export class PlanRejected extends HighwaterError {
  constructor(
    readonly issues: readonly PlanIssue[],
    readonly source: string,
  ) {
    const first = issues[0];
    super(
      first?.code ?? 'HW1001',
      'never',
      first ? `plan refused at ${first.line}:${first.column}: ${first.message}` : 'plan refused',
      { issues: issues.length },
      first?.help,
    );
  }

  /** Every finding with excerpt and caret, as a terminal shows it. */
  text(file: string): string {
    return this.issues.map((issue) => formatIssue(issue, this.source, file)).join('\n');
  }
}

/** Reads a plan without a database. Throws PlanRejected. */
export function readPlan(source: string): { parsed: ParsedPlan; warnings: readonly PlanIssue[] } {
  const read = parsePlan(source, sha256);
  if ('issues' in read) throw new PlanRejected(read.issues, source);
  return { parsed: read.plan, warnings: read.warnings };
}

/** Resolves a plan against the catalog as it is now, or the one given, and compiles its rules. Throws PlanRejected. */
export async function resolvePlan(access: Access, source: string, given?: Catalog): Promise<ResolvedPlan> {
  const read = parsePlan(source, sha256);
  if ('issues' in read) throw new PlanRejected(read.issues, source);
  const { plan } = read.plan;
  const catalog = given ?? (await readCatalogForPlan(access, plan));
  const compiled = compilePlan(plan, catalog, { tableNames: await readTableNames(access) });
  if ('issues' in compiled) {
    throw new PlanRejected(
      compiled.issues.map((issue) => read.positions.issueAt(issue.path, issue)),
      source,
    );
  }
  const short = shortOf(plan.migration);
  return {
    parsed: read.plan,
    plan,
    catalog,
    derivations: compiled.derivations,
    targets: compiled.derivations.map((derivation, targetNo) => ({
      migrationId: plan.migration as MigrationId,
      short,
      targetNo,
      derivation,
    })),
    entities: compiled.entities.map((entity, entityNo) => ({
      migrationId: plan.migration as MigrationId,
      short,
      entityNo,
      entity,
    })),
  };
}

/**
 * The same for a migration that exists: where the tables no longer fit its plan, compiled against the catalog it fitted last, and why.
 */
export async function resolveOrRemember(
  access: Access,
  migration: { readonly id: string; readonly planSource: string },
): Promise<ResolvedPlan & { readonly unfit?: PlanRejected }> {
  try {
    const resolved = await resolvePlan(access, migration.planSource);
    await storeCatalog(access, migration.id, resolved.catalog);
    return resolved;
  } catch (error) {
    if (!(error instanceof PlanRejected)) throw error;
    const stored = await readStoredCatalog(access, migration.id);
    if (!stored) throw error;
    return { ...(await resolvePlan(access, migration.planSource, stored)), unfit: error };
  }
}
