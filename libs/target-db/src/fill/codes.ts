/** Codes of fill, gate and sweep; each comment is the operator's page. */
export const fillCodes = {
  /** HW4001 A gate was closed, but a write that began before it is still under way. Nothing new starts; ask again. A session that froze inside its transaction is ended by its idle timeout after 5 s. */
  gateNotDrained: 'HW4001',
  /** HW4002 A table named by a sweep range or a hint is not a target of this migration on this instance. The plan on this instance is older or newer: restart it. */
  unknownTarget: 'HW4002',
  /** HW4003 The filler or sweeper met an error that would hit every row alike, such as a missing privilege or a dropped column. Repair it; the worker tries again by itself. */
  workerStopped: 'HW4003',
} as const;
