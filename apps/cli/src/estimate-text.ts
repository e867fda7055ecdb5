import { formatBytes, formatDuration } from '@highwater/kernel';
import type { FillEstimate } from '@highwater/roles';
import { clean } from './output.js';

/** What filling one target will cost, in a line. */
export function estimateText({
  table,
  target,
  rows,
  rowsTried,
  durationMs,
  walBytes,
  growthBytes,
  note,
}: FillEstimate): string {
  const name = `estimate for ${table}.${target}`;
  if (rowsTried === null || durationMs === null || walBytes === null) return clean(`${name}: unknown: ${note ?? ''}\n`);
  const growth = growthBytes === null ? '' : `, growth of the table at most ${formatBytes(BigInt(growthBytes))}`;
  const about = `${rows} rows to fill, with one worker about ${formatDuration(durationMs)}, WAL ${formatBytes(BigInt(walBytes))}${growth}`;
  return clean(
    `${name}: ${about}; from ${rowsTried} rows written and rolled back${note === null ? '' : `; ${note}`}\n`,
  );
}
