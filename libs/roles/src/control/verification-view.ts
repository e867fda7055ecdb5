import type { LiveMigration } from '@highwater/migration';
import { readEntityPasses, readMismatches, readVerification } from '@highwater/target-db';
import type { ControlContext } from './context.js';
import { beforeBridge } from './acts/verify.js';
import { cutPage, notOurs, placeOf } from './cursor.js';
import { plannedEntities } from './planned-entities.js';
import type { Page, TableFilter, VerificationView, VerifiedEntity, VerifiedTable } from './port.js';
import { targetsNamed } from './targets-named.js';

/** The last verification, the one under way, and the keys that one of them found. */
export async function verificationView(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  page: Page & TableFilter,
): Promise<VerificationView> {
  const access = context.database.state;
  const targetNos = targetsNamed(id, state.targets, page.table);
  const name = (targetNo: number): { table: string; target: string } => ({
    table: state.targets[targetNo]?.table ?? String(targetNo),
    target: state.targets[targetNo]?.target ?? '',
  });
  const limit = Math.min(page.limit, 1_000);
  const read = await readMismatches(access, id, {
    limit: limit + 1,
    offset: page.offset ?? 0,
    after: page.cursor === undefined ? undefined : mismatchAt(page.cursor),
    targetNos,
  });
  const { rows: found, nextCursor } = cutPage(read, limit, ({ targetNo, key }) => ({
    list: mismatches,
    number: targetNo,
    at: [key],
  }));
  const { verification } = state;
  const passes = await readEntityPasses(access, id);
  return {
    migration: id,
    entities: plannedEntities(state).map(({ table, from, createdBy }, entityNo): VerifiedEntity => {
      const pass = passes.find((one) => one.entityNo === entityNo);
      const countedAt = pass?.countedAt?.toISOString() ?? null;
      return { table, from, createdBy, missing: pass?.missing ?? null, countedAt };
    }),
    last: verification && {
      at: verification.at,
      operationId: verification.operationId,
      checked: verification.checked,
      mismatches: verification.mismatches,
      repaired: verification.repaired ?? null,
      assertions: verification.assertions ?? [],
      tables: verification.tables.map(({ table, target, checked, mismatches, unfillable }): VerifiedTable => ({
        table,
        target,
        checked,
        mismatches,
        nulls: unfillable,
      })),
    },
    running: await running(access, id, name),
    mismatches: found.map(({ targetNo, key, sqlstate, kept, foundAt }) => ({
      ...name(targetNo),
      key,
      sqlstate,
      kept,
      foundAt,
    })),
    nextCursor,
  };
}

/** Names the list in its cursors. */
const mismatches = 'mismatches';

function mismatchAt(cursor: string): { targetNo: number; key: readonly string[] } {
  const { list, number, at } = placeOf(cursor);
  const [key] = at;
  if (list !== mismatches || typeof key !== 'object') throw notOurs();
  return { targetNo: number, key };
}

async function running(
  access: ControlContext['database']['state'],
  id: string,
  name: (targetNo: number) => { table: string; target: string },
): Promise<VerificationView['running']> {
  const progress = await readVerification(access, id);
  const [first] = progress;
  if (!first || progress.every((one) => one.done)) return null;
  return {
    run: first.runId.replace(beforeBridge, ''),
    startedAt: first.startedAt,
    checked: progress.reduce((sum, one) => sum + one.checked, 0),
    mismatches: progress.reduce((sum, one) => sum + one.mismatches, 0),
    tables: progress.map(({ targetNo, checked, mismatches, nulls, done }) => ({
      ...name(targetNo),
      checked,
      mismatches,
      nulls,
      done,
    })),
  };
}
