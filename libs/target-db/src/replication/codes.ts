/** Codes of slot and publication management; each doc comment is the text of the operator's page. */
export const streamCodes = {
  /**
   * The replication slot could not be created in its tries. A new slot waits for every transaction that is open anywhere in the
   * cluster. The message names the holders: end them or wait, then start again.
   */
  slotNotCreated: 'HW3001',
  /** A slot of that name exists already. It belongs to an earlier life of this migration: drop it, then start again. */
  slotExists: 'HW3002',
  /** The slot is in use and did not become free. The message names the process: stop that instance, then try again. */
  slotInUse: 'HW3003',
  /** A publication of that name exists and was not made by this plan. Drop it when nothing else uses it, then start again. */
  publicationForeign: 'HW3004',
  /** `wal_level` is not `logical`, or no slot is free. Change the setting and restart the server. */
  replicationUnavailable: 'HW3005',
} as const;
