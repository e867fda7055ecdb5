import type { ConsumerLine } from '../consumer/main.js';
import type { MigrationStatus } from './api.js';
import type { TableSize } from './measure.js';

export interface Line {
  readonly text: string;
  /** True when this line is why the run exits 1. */
  readonly wrong: boolean;
}

export const line = (text: string, wrong = false): Line => ({ text, wrong });
export const list = (items: readonly string[]): string => (items.length > 0 ? items.join(', ') : 'none');

/** Rows by who filled them. */
export const sourcesOf = (status: MigrationStatus) => ({
  sum: (source: 'sweep' | 'live' | 'tailPass'): number =>
    status.tables.reduce((total, table) => total + table.filled[source], 0),
  bridged: (outcome: string): number =>
    status.bridge.filter((use) => use.outcome === outcome).reduce((total, use) => total + Number(use.statements), 0),
});

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
const percent = (before: number, after: number): string =>
  before > 0 ? `${(((after - before) / before) * 100).toFixed(0)} %` : 'n/a';

export function growthLines(sizes: {
  readonly before: readonly TableSize[];
  readonly after: readonly TableSize[];
}): Line[] {
  return sizes.after.map(({ table, heapBytes, totalBytes }) => {
    const was = sizes.before.find((before) => before.table === table);
    const [heap, total] = [was?.heapBytes ?? 0, was?.totalBytes ?? 0];
    return line(
      `growth ${table.padEnd(12)} table ${mebibytes(heap)} → ${mebibytes(heapBytes)} (${percent(heap, heapBytes)}), ` +
        `with indexes, the plan's new ones too, ${mebibytes(total)} → ${mebibytes(totalBytes)}`,
    );
  });
}

export function ddlLines(status: MigrationStatus): Line[] {
  const table = (name: string | null): string => name?.replace(/^public\./, '') ?? '-';
  return status.ddlSteps.map((step) =>
    line(
      `DDL ${table(step.table).padEnd(13)} ${step.step.padEnd(16)}${step.lockMode.padEnd(24)}` +
        `held ${step.heldMs.toFixed(1)} ms, waited ${step.lockWaitMs.toFixed(1)} ms, attempt ${step.attempts}`,
    ),
  );
}

export function eventLines(published: Extract<ConsumerLine, { kind: 'final' }>): Line[] {
  const { events: count, duplicates, problems } = published;
  const said = problems.length > 0 ? `: ${problems.slice(0, 5).join('; ')}` : '';
  return [
    line(
      `migration events   ${count} read from Kafka, ${duplicates} twice, ${problems.length} problems${said}`,
      problems.length > 0,
    ),
  ];
}
