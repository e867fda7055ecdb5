/** What each limit may be, in the plan and while the migration runs: times in ms, the rest as numbers. */
export const limitBounds = {
  lockBudget: { min: 1, max: 60_000 },
  // Below the server's deadlock_timeout (1 s unless changed); preflight, and whoever changes it live, asks the server for its own.
  rowBudget: { min: 1, max: 900 },
  lockAttempts: { min: 1, max: 100 },
  sweepWorkers: { min: 1, max: 64 },
  replicaLag: { min: 1, max: 86_400_000 },
  chunkRowsMax: { min: 1, max: 100_000 },
  sweepRowsPerSecondMax: { min: 0, max: 100_000_000 },
} as const;
