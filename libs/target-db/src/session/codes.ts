import type { ErrorCode } from '@highwater/kernel';

/** What the database answers to a session of ours, whatever it was doing. Each comment is the operator's page. */
export const sessionCodes = {
  /** HW9001 The server refused a statement for a reason that has no code of its own here; the SQLSTATE says which. It is not tried again by itself. */
  refused: 'HW9001',
  /** HW9002 The database does not answer, or the connection ended under a statement. The service goes on by itself when it is back; look at the server, and at host, port and TLS settings in the URL. */
  unreachable: 'HW9002',
  /** HW9003 The server has no database of that name. Correct the URL, or create the database. */
  noDatabase: 'HW9003',
  /** HW9004 The server does not accept the user or the password. Correct the URL of the access role that is named, or pg_hba.conf. */
  notAccepted: 'HW9004',
  /** HW9005 A privilege is missing. `highwater init --print-grants` prints every statement that is needed; preflight names those that are missing. */
  noPrivilege: 'HW9005',
  /** HW9006 No connection is free: the server's max_connections is reached, or every connection of the access role is in use. It is tried again. */
  noConnectionFree: 'HW9006',
  /** HW9007 A lock was not obtained or a statement not finished within its budget. It is tried again; when it stays, look at what holds the lock (pg_locks). */
  notInTime: 'HW9007',
  /** HW9008 The transaction met another one (serialization failure or deadlock) and was rolled back. It is tried again. */
  conflict: 'HW9008',
  /** HW9009 The server takes no writes: its disk is full, or it is read-only (a standby after a failover). See its log; work goes on when it writes again. */
  noWrites: 'HW9009',
  /** HW9010 A connection to another host without TLS was refused. Set HIGHWATER_DATABASE_TLS=verify-full, or plaintext on purpose. */
  plaintextRefused: 'HW9010',
  /** HW9011 A session setting that results depend on could not be set (a pooler in between, a role that overrides it). Connect to the server itself. */
  settingRefused: 'HW9011',
} as const satisfies Record<string, ErrorCode>;
