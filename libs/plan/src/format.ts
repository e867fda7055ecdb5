import type { PlanIssue } from './plan.js';

const excerptWidthMax = 160;
const linesBefore = 2;

/** An issue as people read it: position, excerpt with a caret line, notes, help, where to read on. No trailing newline. */
export function formatIssue(issue: PlanIssue, source: string, file: string): string {
  const lines = source.split(/\r?\n/);
  const width = Math.max(5, String(issue.line).length + 1);
  const out = [
    `${clean(file)}:${issue.line}:${issue.column}: ${issue.severity}[${issue.code}]: ${clean(issue.message)}`,
  ];
  // A single line of 64 KiB is shown as the part around the finding.
  const from = issue.column > excerptWidthMax - 40 ? issue.column - 41 : 0;
  for (let line = Math.max(1, issue.line - linesBefore); line <= issue.line; line += 1) {
    const text = (lines[line - 1] ?? '').slice(from, from + excerptWidthMax);
    out.push(`${String(line).padStart(width)} | ${clean(text)}`.trimEnd());
  }
  const before = (lines[issue.line - 1] ?? '').slice(from, issue.column - 1);
  const caret = '^'.repeat(Math.max(1, Math.min(issue.length, excerptWidthMax)));
  out.push(`${' '.repeat(width)} | ${clean(before).replace(/[^\t]/gu, ' ')}${caret}`);
  for (const note of issue.notes) out.push(`${' '.repeat(width - 3)}note: ${clean(note)}`);
  if (issue.help !== undefined) out.push(`${' '.repeat(width - 3)}help: ${clean(issue.help)}`);
  out.push(`${' '.repeat(width - 3)}docs: docs/errors.md#${issue.code.toLowerCase()}`);
  return out.join('\n');
}

/** The same for programs: stable field names, file included. */
export const issueToJson = (issue: PlanIssue, file: string): Readonly<Record<string, unknown>> => ({
  file,
  ...issue,
  docs: `docs/errors.md#${issue.code.toLowerCase()}`,
});

/** A plan is somebody's file and the output somebody's terminal: control characters (tabs aside) are not passed on. */
const clean = (text: string): string => text.replace(/(?!\t)[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');
