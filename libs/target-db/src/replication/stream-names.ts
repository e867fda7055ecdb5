import type { Access } from '../session/database.js';

/**
 * Slot and publication of one epoch: `hw_<short>_<epoch>`, and `hw_<short>_<epoch>_<n>` when that name is taken, by a try that died, by
 * another control process that is opening the same epoch, or by a stranger. Nobody ever drops what somebody else may be about to use.
 */
export const streamName = (short: string, epoch: number, taken = 0): string =>
  `hw_${short}_${epoch}${taken === 0 ? '' : `_${taken}`}`;

/** Epoch of a name of this migration; 0 for names without one, undefined for other names. */
export function epochOfStreamName(short: string, name: string): number | undefined {
  const rest = name.startsWith(`hw_${short}`) ? name.slice(`hw_${short}`.length) : undefined;
  const found = rest === undefined ? null : /^(?:_(\d{1,9})(?:_\d{1,3})?)?$/.exec(rest);
  return found ? Number(found[1] ?? 0) : undefined;
}

export interface StreamObject {
  readonly kind: 'slot' | 'publication';
  readonly name: string;
  readonly epoch: number;
  /** Of a publication. */
  readonly owner: string | null;
}

/** Slots and publications of this database that bear the names of a migration's streams, of all epochs. */
export async function listStreamObjects(state: Access, short: string): Promise<StreamObject[]> {
  const rows = await state.query<{ kind: StreamObject['kind']; name: string; owner: string | null }>(
    'looking for slots and publications of earlier epochs',
    `select 'slot' as kind, slot_name::text as name, null as owner from pg_replication_slots
      where slot_name like 'hw\\_%' and database = current_database()
     union all select 'publication', pubname::text, pg_get_userbyid(pubowner) from pg_publication where pubname like 'hw\\_%'
     order by 1 desc, 2`,
  );
  return rows.flatMap((row) => {
    const epoch = epochOfStreamName(short, row.name);
    return epoch === undefined ? [] : [{ ...row, epoch }];
  });
}
