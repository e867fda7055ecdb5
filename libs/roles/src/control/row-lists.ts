import type { MismatchView, UnfillableRowView } from './port.js';

// The lists as both apps write them in rows and columns. A composite key is one cell: the JSON of its parts.

const keyCell = (key: readonly string[]): string => (key.length === 1 ? (key[0] ?? '') : JSON.stringify(key));

export const unfillableColumns = [
  'table',
  'target',
  'key',
  'reason',
  'policy',
  'sqlstate',
  'constraint',
  'attempts',
  'firstSeen',
  'lastSeen',
  'entity',
] as const;
export const unfillableCells = (row: UnfillableRowView): readonly string[] => [
  row.table,
  row.target,
  keyCell(row.key),
  row.reason,
  row.policy,
  row.sqlstate ?? '',
  row.constraint ?? '',
  String(row.attempts),
  row.firstSeen,
  row.lastSeen,
  row.entity ?? '',
];

export const mismatchColumns = ['table', 'target', 'key', 'sqlstate', 'kept', 'foundAt'] as const;
export const mismatchCells = (row: MismatchView): readonly string[] => [
  row.table,
  row.target,
  keyCell(row.key),
  row.sqlstate ?? '',
  row.kept ?? '',
  row.foundAt,
];
