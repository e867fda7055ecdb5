/**
 * HW6001: somebody else appended to the stream between reading and appending. Nothing was written. The command is decided again on the
 * new history; seeing this code means that several tries in a row met other writers: try again.
 */
export const versionConflict = 'HW6001' as const;

/**
 * HW6002: the idempotency key was used before with another request. Use a new key for a new request; send the same request to get the
 * first one's result again.
 */
export const commandReused = 'HW6002' as const;

/**
 * HW6003: the event log could not be read or written in time: the server is away, refuses the connection, or another session holds the
 * row `highwater.event_head`. Nothing was written. It is tried again; when it stays, look at the server and at `pg_stat_activity`.
 */
export const logUnavailable = 'HW6003' as const;

/**
 * HW6004: the event log has a gap: a version of a stream, or a position, is missing. The table was changed by hand or restored from
 * an incomplete backup. Stop the service and restore `highwater.event`; the published events on Kafka hold what is missing.
 */
export const logGap = 'HW6004' as const;

/**
 * HW6005: the connection ended while events were being appended, so nobody knows yet whether they were stored. The stream is read again
 * before anything else is decided; no act of the operator is needed unless the server stays away.
 */
export const appendUnknown = 'HW6005' as const;

/**
 * HW6006: the server refused a statement on Highwater's own tables: a missing grant or a missing table. Run the statements that
 * `highwater init --print-grants` prints, or `highwater init` when schema `highwater` is not there.
 */
export const logRefused = 'HW6006' as const;

/**
 * HW6007: a connection to the event log without TLS was refused because the server is on another host. Set
 * HIGHWATER_DATABASE_TLS=verify-full, with the authority's certificate when it is not a public one.
 */
export const plaintextRefused = 'HW6007' as const;
