import type { ErrorCode } from '@highwater/kernel';

/** One code per check, by the check's stable name. The doc comment is the operator's page. */
export const preflightCodes = {
  /** HW2101 An access role cannot connect. Check its URL, pg_hba.conf and the password. */
  Connection: 'HW2101',
  /** HW2102 PostgreSQL older than 15 lacks publication column lists and row filters; the stream would carry whole rows. Upgrade the server. */
  ServerVersion: 'HW2102',
  /** HW2103 Logical decoding needs wal_level = logical, which needs a restart of the server. Or say `stream: none` in the plan. */
  WalLevel: 'HW2103',
  /** HW2104 All replication slots or walsenders are taken. Raise max_replication_slots or max_wal_senders, or drop slots nobody needs. */
  FreeSlot: 'HW2104',
  /** HW2105 With max_slot_wal_keep_size = -1 a slot that stops being read fills the disk. Set a limit, or accept `UnlimitedSlotWal` in the plan. */
  UnlimitedSlotWal: 'HW2105',
  /** HW2106 A privilege is missing; the exact GRANT is printed. All of them together: `highwater init --print-grants`. */
  Grant: 'HW2106',
  /** HW2107 The stream's access role cannot replicate: `alter role … replication`. */
  ReplicationRole: 'HW2107',
  /** HW2108 An access role is a superuser: a mistake of ours could then do anything. Use the roles of `highwater init --print-grants`. */
  SuperuserAccess: 'HW2108',
  /** HW2109 Several access roles are one database role, or the bridge has no role of its own. It works; separation is lost. */
  SharedRole: 'HW2109',
  /** HW2110 Row level security would show us only some rows: a false zero. Grant BYPASSRLS to the roles named, or leave the table out. */
  RowLevelSecurity: 'HW2110',
  /** HW2111 A trigger fires on our update of the target, so more than the target may change. Look at it, then accept `TriggerOnUpdate`. */
  TriggerOnUpdate: 'HW2111',
  /** HW2112 A trigger that sorts after the bridge may take the value away again. Rename it, or accept `TriggerSortsLast`. */
  TriggerSortsLast: 'HW2112',
  /** HW2113 Another publication sends the table's updates downstream: subscribers will receive every row we fill. Accept `PublishedElsewhere`. */
  PublishedElsewhere: 'HW2113',
  /** HW2114 A unique index or an exclusion constraint contains the target, as a column, in an expression or in its condition: a value we fill in may complete a key and fail an application's statement. Accept `UniqueOnTarget`. */
  UniqueOnTarget: 'HW2114',
  /** HW2115 ON DELETE SET NULL on the target: once it is NOT NULL, deleting a parent fails with 23502. Change the key, or accept `ForeignKeySetNull`. */
  ForeignKeySetNull: 'HW2115',
  /** HW2116 Objects named for a migration that is not living here. They are not touched; `highwater finish` of that migration removes them. */
  Leftover: 'HW2116',
  /** HW2117 We may hold row locks for twice the row budget; with deadlock_timeout below that the application could be made a deadlock's victim. Lower limits.rowBudget. */
  DeadlockTimeout: 'HW2117',
  /** HW2118 A prepared transaction or a long one is open: the slot's creation and every lock wait for it. End it. */
  OpenTransaction: 'HW2118',
  /** HW2119 A subscription writes into the table: the bridge will fire for replicated rows too (ENABLE ALWAYS). */
  Subscription: 'HW2119',
  /** HW2120 The table has children by old-style inheritance; NOT NULL and the sweep would reach into them. Not supported. */
  Inheritance: 'HW2120',
  /** HW2121 An unlogged or temporary table is not in WAL: no hints, tail passes alone find its new rows. */
  NotLogged: 'HW2121',
  /** HW2122 What the target is today: empty table, partly filled, already NOT NULL, with a default. Information; a warning when it is already NOT NULL, since nothing is left to fill or to enforce. */
  TargetState: 'HW2122',
  /** HW2123 Kafka cannot be reached; hints have nowhere to go. Check HIGHWATER_KAFKA_BROKERS, or say `stream: none`. */
  KafkaReachable: 'HW2123',
  /** HW2124 Mode strict tells writers apart by the stream's reports, so it needs a stream. */
  StrictNeedsStream: 'HW2124',
  /** HW2125 The plan's index name is taken by another relation. Choose another name. */
  IndexName: 'HW2125',
  /** HW2126 A rule or a rewrite stands on the table (pg_rewrite): our update may become something else. Not supported. */
  RewriteRule: 'HW2126',
  /** HW2127 A check constraint or a row level policy judges the target: a value that the bridge assigns may be refused where NULL passed, and fail an application's statement. Look at it, then accept `CheckOnTarget`. */
  CheckOnTarget: 'HW2127',
  /** HW2128 The rule cannot be run as the fill access: most often a constant that is no value of its type. Mend the plan, or what the rule calls. */
  RuleRuns: 'HW2128',
  /** HW2129 A look-up searches a table by columns that no index begins with: every row, and every statement that the bridge helps, costs a scan of it. Create the index, or accept `LookupNotIndexed`. */
  LookupNotIndexed: 'HW2129',
  /** HW2130 An index of the plan names a column that is not there, or a unique one lacks a column of the partition key, without which PostgreSQL cannot keep it unique over all partitions. Correct the plan. */
  IndexColumns: 'HW2130',
  /** HW2131 The target has a foreign key with another ON DELETE than the plan says. When the plan says `onDelete`, the key is replaced at the cutover, the new one validated before the old one goes; otherwise it is kept. */
  ForeignKeyAction: 'HW2131',
  /** HW2132 The policy of the plan's row level security cannot be made: its name is taken, or it is for a role that does not exist. Correct the plan. */
  RowSecurityPolicy: 'HW2132',
  /** HW2133 A trigger fires when an entity is inserted. It runs with the privileges of our fill access, and of the bridge's owner when the bridge makes the entity: what it may not do there refuses the entity. Look at it, then accept `EntityTrigger`. */
  EntityTrigger: 'HW2133',
  /** HW2134 The bridge cannot find the source of a missing entity from the row: the source is neither the row itself nor named by the row's value. Such a row stays NULL until we made the entity, and once the target is NOT NULL the application's statement fails instead. Insert the entity's source earlier than the row needs it, or accept `EntityNotBridged`. */
  EntityNotBridged: 'HW2134',
  /** HW2135 An assertion of the plan cannot be run as the fill access: a missing privilege, a misspelt name. Mend the query, or grant SELECT on what it reads. One that reads a column or a table that the run makes is told as a warning. */
  AssertionRuns: 'HW2135',
  /** HW2136 The server, or an access role, takes fewer connections than a process may open at once. While all are in use its work waits and is tried again (HW9006), and so may an application that shares them. Raise max_connections, or the role's limit (the statement is printed). Each further process needs as many again; of each further migration a process keeps about five more. */
  ConnectionLimit: 'HW2136',
  /** HW2137 The lock budget reaches the server's deadlock_timeout. A step that needs two tables (a foreign key) may hold one while it waits for the other: a transaction of the application that has them the other way round is a deadlock, which the server ends after deadlock_timeout at the cost of whoever has waited for so long. Below it our attempt has given up by then. Keep limits.lockBudget below deadlock_timeout and raise limits.lockAttempts, unless an autovacuum has to be cancelled, which the server does for us only after that time. */
  LockBudget: 'HW2137',
} as const satisfies Record<string, ErrorCode>;

export type CheckName = keyof typeof preflightCodes;
