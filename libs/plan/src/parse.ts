import type { PlanHash } from '@highwater/kernel';
import { buildPlan } from './build.js';
import { planCodes } from './codes.js';
import { readPlanDocument } from './document.js';
import { lintPlan } from './lint.js';
import type { ParsedPlan, PlanIssue } from './plan.js';
import type { PlanPositions } from './positions.js';
import { placeSchemaIssues } from './schema-issues.js';
import { planSchema } from './schema.js';
import { takeOutMixedRules } from './one-kind.js';

export interface ParsedPlanResult {
  readonly plan: ParsedPlan;
  /** Finds the place in the file of what the catalog or preflight says later. */
  readonly positions: PlanPositions;
  readonly warnings: readonly PlanIssue[];
}

/**
 * Reads a plan: YAML, shape, defaults, and what can be judged without a database. All issues at once, in the order of the file.
 * `hash` gives the sha256 of a text in hex (a pure lib has no crypto of its own).
 */
export function parsePlan(
  source: string,
  hash: (text: string) => string,
): ParsedPlanResult | { readonly issues: readonly PlanIssue[] } {
  const document = readPlanDocument(source);
  if ('issues' in document) return document;
  const { positions } = document;
  if (document.data === null || document.data === undefined) {
    return {
      issues: [
        positions.issueAt([], {
          code: planCodes.BadValue,
          message: 'the plan is empty',
          help: 'start with `highwater: 1`',
        }),
      ],
    };
  }
  const { data, issues } = takeOutMixedRules(document.data, positions);
  const checked = planSchema.safeParse(data);
  if (!checked.success) issues.push(...placeSchemaIssues(checked.error.issues, data, positions));
  if (!checked.success || issues.length > 0) return { issues: inOrder(issues) };

  const plan = buildPlan(checked.data, positions);
  if ('issues' in plan) return { issues: inOrder(plan.issues) };
  const findings = lintPlan(plan, positions);
  if (findings.some((finding) => finding.severity === 'error')) return { issues: inOrder(findings) };
  return { plan: { plan, source, hash: hash(source) as PlanHash }, positions, warnings: inOrder(findings) };
}

const inOrder = (issues: readonly PlanIssue[]): PlanIssue[] =>
  [...issues].sort((a, b) => a.line - b.line || a.column - b.column);
