import { formatBytes, formatDuration } from '@highwater/kernel';
import type { Eta } from './progress.js';
import { percentDone } from './progress.js';

/** How far the stream is behind. The fence decides anything; these two numbers are information. */
export interface StreamLag {
  /** WAL that the relay has not acknowledged. */
  readonly bytes: bigint;
  /** What the last fence took, or how long the one under way has taken by now; null: no fence was written yet. */
  readonly seconds: number | null;
}

/** What the status line needs to know; counts are rows. */
export interface MigrationStatus {
  readonly phase: string;
  readonly rowsDone: number;
  readonly rowsExpected: number;
  /** The sweep and its tail passes left nothing open. */
  readonly complete: boolean;
  /** null: not measured yet. */
  readonly nulls: number | null;
  readonly liveFilled: number;
  /** null: no stream. */
  readonly lag: StreamLag | null;
  /** `chunkRows` null: no sweeper has said. */
  readonly sweep: { readonly rowsPerSecond: number; readonly chunkRows: number | null } | null;
  /** `percent` null: there is no limit. `lostInMs` null: not known, or it does not come nearer. */
  readonly slot: {
    readonly retainedBytes: bigint;
    readonly limitBytes: bigint;
    readonly percent: number | null;
    readonly lostInMs: number | null;
  } | null;
  readonly unfillable: number;
  /** Why it does not go faster, or at all; never empty. */
  readonly reason: { readonly code: string; readonly message: string; readonly sinceMs: number };
  readonly state: 'running' | 'throttled' | 'paused' | 'halted' | 'waiting' | 'blocked' | 'done';
  readonly eta: Eta;
}

/** `fill 71.2% 30713100/~43138319 rows; nulls …; live …; sweep …; slot …; throttled: …; ETA 49m..1h20m` */
export function formatStatusLine(status: MigrationStatus): string {
  const percent = percentDone(status.rowsDone, status.rowsExpected, status.complete);
  const total =
    status.rowsExpected > 0 ? `${status.complete ? '' : '~'}${Math.max(status.rowsExpected, 0)}` : 'unknown';
  const exceeded = status.rowsExpected > 0 && status.rowsDone > status.rowsExpected;
  const rows = exceeded
    ? `${status.rowsDone} rows (expected ${status.rowsExpected})`
    : `${status.rowsDone}/${total} rows`;
  const parts = [
    `${status.phase} ${percent === undefined ? '?' : percent.toFixed(1)}% ${rows}`,
    `nulls ${status.nulls ?? 'unknown'}`,
    `live +${status.liveFilled}${status.lag ? ` lag ${formatBytes(status.lag.bytes)}/${formatSeconds(status.lag.seconds)}` : ''}`,
  ];
  if (status.sweep)
    parts.push(`sweep ${formatRate(status.sweep.rowsPerSecond)} rows/s batch ${status.sweep.chunkRows ?? 'unknown'}`);
  if (status.slot)
    parts.push(
      `slot ${formatBytes(status.slot.retainedBytes)} of ${formatBytes(status.slot.limitBytes)} (${status.slot.percent ?? '?'}%)${lostText(status.slot.lostInMs)}`,
    );
  if (status.unfillable > 0) parts.push(`unfillable ${status.unfillable}`);
  parts.push(
    `${status.state}: ${status.reason.code} ${status.reason.message} (${formatDuration(Math.max(0, status.reason.sinceMs))})`,
  );
  parts.push(`ETA ${formatEta(status.eta)}`);
  return parts.join('; ');
}

const formatSeconds = (seconds: number | null): string => (seconds === null ? 'unknown' : `${seconds.toFixed(1)}s`);

/** `49m..1h20m`, `due`, `unknown`. */
export function formatEta(eta: Eta): string {
  if (eta.kind !== 'range') return eta.kind;
  const [low, high] = [formatDuration(roundUp(eta.p50Ms)), formatDuration(roundUp(eta.p90Ms))];
  return low === high ? low : `${low}..${high}`;
}

/** Whole minutes from ten minutes on: more digits than are known would be a lie. */
const roundUp = (ms: number): number =>
  ms >= 600_000 ? Math.ceil(ms / 60_000) * 60_000 : Math.ceil(ms / 1_000) * 1_000;

const lostText = (ms: number | null): string => (ms === null ? '' : `, lost in ${formatDuration(roundUp(ms))}`);

/** 18400 → `18.4k`. */
function formatRate(rowsPerSecond: number): string {
  const rate = Number.isFinite(rowsPerSecond) ? Math.max(0, rowsPerSecond) : 0;
  return rate >= 1_000 ? `${(rate / 1_000).toFixed(1)}k` : String(Math.round(rate));
}
