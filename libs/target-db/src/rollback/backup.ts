import { HighwaterError } from '@highwater/kernel';
import { installCodes } from '../install/codes.js';
import type { Access } from '../session/database.js';

/** Where the operator's own backup is, in their words: evidence, never used by us. */
export interface BackupReference {
  readonly reference: string;
  readonly recordedAt: string;
  readonly recordedBy: string;
}

/** Longest reference. */
export const backupReferenceMax = 500;

export async function recordBackup(ddl: Access, reference: string): Promise<void> {
  if (reference.trim() === '' || reference.length > backupReferenceMax)
    throw new HighwaterError(
      installCodes.backupReference,
      'never',
      `the backup's reference has ${reference.length} characters; expected 1 to ${backupReferenceMax}`,
      { length: reference.length },
      'say where it is in a few words: a path, an id, a URL without credentials',
    );
  await ddl.query('recording the backup', 'insert into highwater.backup_reference (reference) values ($1)', [
    reference,
  ]);
}

/** The latest one; undefined: none was named. */
export async function readBackup(state: Access): Promise<BackupReference | undefined> {
  const rows = await state.query<{ reference: string; recorded_at: Date; recorded_by: string }>(
    'reading the backup',
    'select reference, recorded_at, recorded_by from highwater.backup_reference order by recorded_at desc limit 1',
  );
  const [row] = rows;
  return row && { reference: row.reference, recordedAt: row.recorded_at.toISOString(), recordedBy: row.recorded_by };
}
