import { vacuumDue } from '@highwater/sweep';
import { vacuumTable, type Access, type FillTarget } from '@highwater/target-db';

/** Counts the rows each table got from this process and vacuums it when it is due; one vacuum at a time. */
export class VacuumPacer {
  private readonly filled = new Map<number, number>();
  private running = false;

  constructor(private readonly ddl: Access) {}

  /** Counts rows just filled; true when the table should be vacuumed now, and then `run` must follow. */
  isDue(target: FillTarget, rows: number, tableRowsEstimated: number): boolean {
    const { relid } = target.derivation.table;
    const filled = (this.filled.get(relid) ?? 0) + rows;
    const due = !this.running && vacuumDue(filled, tableRowsEstimated);
    this.filled.set(relid, due ? 0 : filled);
    return due;
  }

  /** @returns true when the table was vacuumed, false when another worker is at it. */
  async run(target: FillTarget): Promise<boolean> {
    this.running = true;
    try {
      return await vacuumTable(this.ddl, target);
    } finally {
      this.running = false;
    }
  }
}
