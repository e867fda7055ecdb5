import type { Access } from '../session/database.js';

/** Who needed the bridge for one target, and what came of it. */
export interface BridgeUse {
  readonly targetNo: number;
  readonly applicationName: string;
  readonly outcome: 'resolved' | 'left_null' | 'failed';
  readonly statements: bigint;
  readonly lastAt: string;
  readonly lastAgeMs: number;
}

export async function readBridgeUses(state: Access, migrationId: string): Promise<BridgeUse[]> {
  const rows = await state.query<{
    target_no: number;
    application_name: string;
    outcome: BridgeUse['outcome'];
    statements: string;
    last_at: Date;
    age_ms: string;
  }>(
    'reading who used the bridge',
    `select target_no, application_name, outcome, sum(statements)::int8 as statements, max(last_at) as last_at,
            extract(epoch from clock_timestamp() - max(last_at)) * 1000 as age_ms
       from highwater.bridge_use where migration_id = $1 group by 1, 2, 3 order by max(last_at) desc`,
    [migrationId],
  );
  return rows.map((row) => ({
    targetNo: row.target_no,
    applicationName: row.application_name,
    outcome: row.outcome,
    statements: BigInt(row.statements),
    lastAt: row.last_at.toISOString(),
    lastAgeMs: Number(row.age_ms),
  }));
}
