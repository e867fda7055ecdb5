import type { ApplicationLine } from '../support/demo-world.js';

/** What any client of a server meets that goes away under it, with or without us. */
const ofTheServer = new Set([
  '57P01',
  '57P02',
  '57P03',
  '08000',
  '08001',
  '08003',
  '08006',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'unknown',
]);

export interface JudgedErrors {
  /** By SQLSTATE: nothing explains them but us. */
  readonly ours: Readonly<Record<string, number>>;
  /** While PostgreSQL itself was away. */
  readonly apart: Readonly<Record<string, number>>;
}

/** Errors counted between two lines belong to that second; those of connections, in a second in which the server was away, are its own. */
export function judgeErrors(
  lines: readonly Pick<ApplicationLine, 'at' | 'tally'>[],
  outages: readonly { readonly from: number; readonly to: number }[],
): JudgedErrors {
  const ours: Record<string, number> = {};
  const apart: Record<string, number> = {};
  lines.forEach((line, i) => {
    const before = lines[i - 1];
    const [from, to] = [before ? Date.parse(before.at) : 0, Date.parse(line.at)];
    const away = outages.some((outage) => outage.from <= to && outage.to >= from);
    for (const [code, count] of Object.entries(line.tally.errors)) {
      const more = count - (before?.tally.errors[code] ?? 0);
      const into = away && ofTheServer.has(code) ? apart : ours;
      if (more > 0) into[code] = (into[code] ?? 0) + more;
    }
  });
  return { ours, apart };
}
