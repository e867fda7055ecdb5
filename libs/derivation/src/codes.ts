/** Codes of what the catalog says against a plan. The doc comment is the operator's page of docs/errors.md. */
export const derivationCodes = {
  /** HW1101 No such table, or this session may not see it. Names are case-sensitive; a table outside public needs its schema. */
  TableMissing: 'HW1101',
  /** HW1102 No such column on the table. Names are case-sensitive and never quoted in a plan. */
  ColumnMissing: 'HW1102',
  /**
   * HW1103 The table has no primary key and the plan names no key, though it needs one: it has another unique key that `key:` should name, is
   * partitioned, or the plan has a journal. Name a unique, not-null column set, or add a primary key. Any other table without a key is swept by blocks.
   */
  NoKey: 'HW1103',
  /** HW1104 The key is not unique, or may be NULL: two rows could not be told apart. Name a unique, not-null column set. */
  KeyNotUnique: 'HW1104',
  /** HW1105 `via` follows a declared foreign key, and these columns have none. Declare it, or say where to: `to: Group(id)`. */
  NoForeignKey: 'HW1105',
  /** HW1106 These columns have several foreign keys. Say which with `to:`. */
  AmbiguousForeignKey: 'HW1106',
  /** HW1107 The columns in `to:` are not a unique key of that table, so more than one parent could match; or their types do not compare. */
  ParentKeyNotUnique: 'HW1107',
  /** HW1108 The rule's value does not fit the target's type without loss. Choose another column or change the target's type. */
  TypeMismatch: 'HW1108',
  /** HW1109 The target has another type than the plan says. Mend the plan, or the column. */
  TargetTypeDiffers: 'HW1109',
  /** HW1110 The target column is not there and the plan does not say `addColumn: true`. Add it (nullable, no default), or say so. */
  TargetMissing: 'HW1110',
  /** HW1111 A generated column: as a target it cannot be written, as an input a BEFORE trigger cannot see it. */
  GeneratedColumn: 'HW1111',
  /** HW1112 `via` without `then` means the parent's own rule, and the plan has no entry for the parent, or several. Say `then:`. */
  ParentNotPlanned: 'HW1112',
  /** HW1113 The rule leads back to itself, so it has no value. Say `then:` somewhere on the circle. */
  RuleCycle: 'HW1113',
  /** HW1114 The rule compiles to more look-ups than one row may cost. Take what the parents store with `then: { column: … }`. */
  RuleTooLarge: 'HW1114',
  /** HW1115 The rule reads the column it fills, which is NULL wherever the rule is needed. */
  ReadsItsTarget: 'HW1115',
  /** HW1116 The constant is longer than the target's type keeps. */
  ConstantTooLong: 'HW1116',
  /** HW1117 The table in `references` has no single-column primary key of a type the target's values compare with. */
  BadReference: 'HW1117',
  /** HW1118 A key column has a type whose equality operator the catalog did not name. */
  UnknownEquality: 'HW1118',
  /** HW1119 Functions run with the bridge's privileges inside the application's statements, so only those that the configuration names may be called: set HIGHWATER_ALLOWED_FUNCTIONS. */
  FunctionNotAllowed: 'HW1119',
  /** HW1120 No function of that name takes so many arguments, or several do. Names are case-sensitive; say which with its argument types: `app.tenant_of(uuid)`. */
  FunctionMissing: 'HW1120',
  /** HW1121 The function cannot be a rule: volatile, SECURITY DEFINER, variadic, returning a set, or no plain function. Its value must follow from the row, on one snapshot, with the caller's privileges. */
  FunctionUnsuitable: 'HW1121',
  /** HW1122 A `where` of a lookup pairs columns whose types do not compare, or a type has no order or equality that `pick` needs. */
  NotComparable: 'HW1122',
  /** HW1123 `pick: first` needs a unique, not-null key of the looked-up table to tell rows of the same rank apart the same way each time. */
  NoTieBreak: 'HW1123',
  /** HW1124 The columns under an entity's `key` are not those of a valid, unconditional, immediate unique index of its table, so the server could not say whether the entity is there already. Create one, or name the columns of one. */
  EntityKeyNotUnique: 'HW1124',
  /** HW1125 A column of an entity's table takes no NULL, has no default, and the plan gives it no value: no row could be made. Say it under `values`. */
  EntityValueMissing: 'HW1125',
} as const;

export type DerivationCode = (typeof derivationCodes)[keyof typeof derivationCodes];
