import { type Document, LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, visit } from 'yaml';
import { planCodes } from './codes.js';
import type { PlanIssue } from './plan.js';
import { PlanPositions } from './positions.js';

/** A plan of hundreds of tables fits; a text that could exhaust a parser does not. */
export const planBytesMax = 64 * 1024;
export const planDepthMax = 32;
/** After a slip the parser reports everything that follows; nobody reads the hundredth. */
const syntaxIssuesMax = 20;

export interface PlanDocument {
  /** Plain data of the file. */
  readonly data: unknown;
  readonly positions: PlanPositions;
}

/** Reads YAML 1.2 core with every position kept; refuses what would make positions or cost unbounded. */
export function readPlanDocument(source: string): PlanDocument | { issues: PlanIssue[] } {
  const bytes = new TextEncoder().encode(source).length;
  if (bytes > planBytesMax) {
    return refuse(planCodes.TooLarge, `the plan is ${bytes} bytes long; at most ${planBytesMax} are read`);
  }
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(source, { lineCounter: lines, prettyErrors: false, schema: 'core', stringKeys: true });
  } catch (error) {
    if (error instanceof RangeError) return refuse(planCodes.TooLarge, tooDeep);
    throw error;
  }
  const positions = new PlanPositions(source, document, lines);
  const errors = [...document.errors, ...document.warnings];
  // The composer recurses, and reports that it ran out of stack as a syntax error: only nesting can do that to 64 KiB.
  if (errors.some((error) => error.message.includes('call stack'))) return refuse(planCodes.TooLarge, tooDeep);
  const syntax = errors
    .slice(0, syntaxIssuesMax)
    .map((error) =>
      positions.issueAtRange(error.pos, { code: planCodes.NotYaml, message: `not valid YAML: ${error.message}` }),
    );
  if (syntax.length > 0) return { issues: syntax };
  const bounds = checkBounds(document, positions);
  if (bounds.length > 0) return { issues: bounds };
  return { data: document.toJS({ maxAliasCount: 0 }), positions };
}

const tooDeep = `the plan is nested more than ${planDepthMax} levels deep`;

function refuse(code: PlanIssue['code'], message: string): { issues: PlanIssue[] } {
  return { issues: [{ code, severity: 'error', line: 1, column: 1, length: 1, message, notes: [] }] };
}

function checkBounds(document: Document.Parsed, positions: PlanPositions): PlanIssue[] {
  const issues: PlanIssue[] = [];
  if (document.directives.yaml.explicit && document.directives.yaml.version !== '1.2') {
    issues.push(
      positions.issueAtRange([0, 1], {
        code: planCodes.NotYaml,
        message: 'a plan is YAML 1.2; take the %YAML line out',
      }),
    );
  }
  visit(document, {
    Node(_key, node, ancestors) {
      const range: [number, number] = node.range ? [node.range[0], node.range[1]] : [0, 1];
      if (isAlias(node) || (isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined) !== undefined) {
        const help = 'Write the value out; what many tables share belongs under `defaults:`.';
        issues.push(
          positions.issueAtRange(range, {
            code: planCodes.TooLarge,
            message: 'anchors and aliases are not read in a plan',
            help,
          }),
        );
        return visit.BREAK;
      }
      if (ancestors.length > planDepthMax * 2) {
        issues.push(positions.issueAtRange(range, { code: planCodes.TooLarge, message: tooDeep }));
        return visit.BREAK;
      }
      return undefined;
    },
  });
  return issues;
}
