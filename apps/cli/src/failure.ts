import { HighwaterError, isHighwaterError, messageOf, type ErrorCode } from '@highwater/kernel';
import { issueToJson } from '@highwater/plan';
import { PlanRejected } from '@highwater/roles';
import { clean, jsonLine, type Format } from './output.js';

/** A problem+json of the service; its own fields (conditions, issues) stay with it. */
export class RemoteProblem extends HighwaterError {
  constructor(
    readonly problem: Readonly<Record<string, unknown>> & { readonly code: string; readonly detail: string },
  ) {
    const { code, detail, help } = problem;
    super(code as ErrorCode, 'never', detail, {}, typeof help === 'string' ? help : undefined);
  }
}

/** An error as a person or a program reads it, on standard error. Plan errors come with position, excerpt and caret. */
export function failureText(error: unknown, format: Format, file: string): string {
  if (format === 'json') return jsonLine({ error: failureJson(error, file) });
  if (error instanceof PlanRejected) return `${error.text(file)}\n`;
  if (error instanceof RemoteProblem && typeof error.problem['text'] === 'string')
    return `${clean(error.problem['text'].replaceAll(/^plan\.yaml:/gm, `${file}:`))}\n`;
  if (!isHighwaterError(error)) return `highwater: ${clean(messageOf(error))}\n`;
  const lines = [`error[${error.code}]: ${error.message}`];
  if (error instanceof RemoteProblem) lines.push(...unmetConditions(error.problem['conditions']));
  if (error.help !== undefined) lines.push(`   help: ${error.help}`);
  lines.push(`   docs: docs/errors.md#${error.code.toLowerCase()}`);
  return `${clean(lines.join('\n'))}\n`;
}

function failureJson(error: unknown, file: string): object {
  if (error instanceof RemoteProblem) return error.problem;
  if (!isHighwaterError(error)) return { message: messageOf(error) };
  const { code, message, help, context } = error;
  return {
    code,
    message,
    ...(help === undefined ? {} : { help }),
    context,
    ...(error instanceof PlanRejected ? { issues: error.issues.map((issue) => issueToJson(issue, file)) } : {}),
  };
}

function unmetConditions(conditions: unknown): readonly string[] {
  if (!Array.isArray(conditions)) return [];
  return (conditions as { type: string; status: string; reason: string; message: string }[])
    .filter((one) => one.status !== 'True')
    .map((one) => `   ${one.type} is ${one.status} (${one.reason}): ${one.message}`);
}
