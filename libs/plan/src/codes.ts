/** Codes of what can be wrong with a plan by itself. The doc comment is the operator's page of docs/errors.md. */
export const planCodes = {
  /** HW1001 The file is not YAML 1.2 (or uses a tag, a second document, a duplicate key). Mend the syntax at the position. */
  NotYaml: 'HW1001',
  /** HW1002 A key the plan format does not know. Unknown keys are never ignored: a misspelt limit would otherwise be no limit. */
  UnknownKey: 'HW1002',
  /** HW1003 The migration name is used in URLs, topics and logs: lower-case letters, digits and hyphens, at most 63. */
  BadMigrationName: 'HW1003',
  /** HW1004 A value is missing, of another type, or outside its bounds; the message says what was expected. */
  BadValue: 'HW1004',
  /** HW1006 The plan is larger or more deeply nested than a plan may be (64 KiB, 32 levels), or uses YAML aliases. */
  TooLarge: 'HW1006',
  /** HW1007 Two entries fill the same column of the same table. Keep one. */
  DuplicateEntry: 'HW1007',
  /** HW1008 `via` without `then` means the parent's own rule, and the parent has no entry in this plan. Say `then:`. */
  ParentNotPlanned: 'HW1008',
  /** HW1009 Rules refer to each other in a circle (a table that refers to itself included), so none has a value. Say `then:` somewhere on it. */
  RuleCycle: 'HW1009',
  /** HW1010 (warning) A constant always has a value, so the choices after it are never used. Put it last. */
  ConstantNotLast: 'HW1010',
  /** HW1011 A name PostgreSQL cannot hold: empty, longer than 63 bytes, or with a NUL or half a surrogate pair in it. */
  BadName: 'HW1011',
  /** HW1012 Two finisher indexes of one schema have the same name. */
  DuplicateIndex: 'HW1012',
  /** HW1013 Two entities make the same rows: one table, one source, one identity. Keep one. */
  DuplicateEntity: 'HW1013',
  /** HW1014 Entities are made in the order of the plan, so one made from another comes after it, and none is made from its own table. */
  EntityOrder: 'HW1014',
  /** HW1015 `repair` changes values that we wrote and nobody changed since; without `journal: true` nobody knows which those are. Add it, or take `repair` out. */
  RepairNeedsJournal: 'HW1015',
  /** HW1016 Two entries of one table say `rowLevelSecurity`. It belongs to the table: say it once. */
  DuplicatePolicy: 'HW1016',
  /** HW1017 `leaveNull` on a column that shall become NOT NULL: a row left NULL would keep it from that for ever. Say `notNull: false`, or `hold`. */
  LeavesNull: 'HW1017',
} as const;

export type PlanCode = (typeof planCodes)[keyof typeof planCodes];
