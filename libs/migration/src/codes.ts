/**
 * HW6101: the event log holds an event of a type or shape that this version does not know. A newer Highwater wrote it, or the table
 * was changed by hand. Run the version that wrote it, or a newer one; nothing was changed by the attempt to read.
 */
export const unknownEvent = 'HW6101' as const;

/**
 * HW6102: an event does not fit the history before it (for example `Enforced` before `Planned`). The event log was changed by hand or
 * two histories were mixed. Stop the service, keep the table as it is and compare it with the events published on Kafka.
 */
export const impossibleHistory = 'HW6102' as const;
