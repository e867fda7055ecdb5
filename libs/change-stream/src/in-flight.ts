/** Bytes of hints read from the slot and not yet acknowledged by Kafka. Bounded by not reading the socket. */
export interface InFlightLimits {
  readonly pauseAboveBytes: number;
  readonly resumeBelowBytes: number;
}

/** 1 MiB of hints are some 6,000 rows: the requests that are under way and as much again. More would only grow old in memory. */
export const inFlightLimits: InFlightLimits = { pauseAboveBytes: 1024 * 1024, resumeBelowBytes: 512 * 1024 };

/** `keep` between the two marks, so that a reader at the limit does not flap. */
export function intakeVerdict(
  bytes: number,
  paused: boolean,
  limits: InFlightLimits = inFlightLimits,
): 'pause' | 'resume' | 'keep' {
  if (!paused && bytes > limits.pauseAboveBytes) return 'pause';
  if (paused && bytes < limits.resumeBelowBytes) return 'resume';
  return 'keep';
}
