/** A vacuum of our own each tenth of the table: growth +25 % instead of +105 % (autovacuum never gets its turn beside a sweep). */
export const vacuumEveryShare = 0.1;
/** Below this many filled rows a vacuum costs more than the space it would return. */
export const vacuumRowsMin = 20_000;

/**
 * @param rowsFilledSinceVacuum rows of this table written since the last vacuum of ours.
 * @param rowsEstimated rows of the whole table.
 */
export function vacuumDue(rowsFilledSinceVacuum: number, rowsEstimated: number): boolean {
  return rowsFilledSinceVacuum >= Math.max(vacuumRowsMin, rowsEstimated * vacuumEveryShare);
}
