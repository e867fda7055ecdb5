/** SQLSTATEs we decide on, once, with PostgreSQL's own names (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
export const sqlstate = {
  successfulCompletion: '00000',
  raiseException: 'P0001',
  featureNotSupported: '0A000',
  numericValueOutOfRange: '22003',
  invalidDatetimeFormat: '22007',
  invalidTextRepresentation: '22P02',
  notNullViolation: '23502',
  foreignKeyViolation: '23503',
  uniqueViolation: '23505',
  checkViolation: '23514',
  exclusionViolation: '23P01',
  readOnlySqlTransaction: '25006',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  insufficientPrivilege: '42501',
  undefinedColumn: '42703',
  undefinedTable: '42P01',
  undefinedObject: '42704',
  duplicateObject: '42710',
  duplicateTable: '42P07',
  invalidColumnReference: '42P10',
  tooManyConnections: '53300',
  configurationLimitExceeded: '53400',
  diskFull: '53100',
  objectNotInPrerequisiteState: '55000',
  objectInUse: '55006',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  invalidPassword: '28P01',
  invalidAuthorization: '28000',
  invalidCatalogName: '3D000',
} as const;

/** SQLSTATE of a driver error, or undefined for anything else. */
export function sqlstateOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const code = (error as { code: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

export const isSqlstate = (error: unknown, ...codes: readonly string[]): boolean => {
  const code = sqlstateOf(error);
  return code !== undefined && codes.includes(code);
};
