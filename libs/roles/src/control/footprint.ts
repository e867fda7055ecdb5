import { footprintOf, readFingerprint, type Access, type EntityTarget, type Fingerprint } from '@highwater/target-db';
import type { ProcessState } from './process-state.js';

/**
 * What must stay as it was found by preflight: tables, keys, targets, entities and inputs. A target that we add ourselves is left out: it is not
 * there yet when the fingerprint is taken.
 */
export async function readSchemaFingerprint(
  access: Access,
  process: Pick<ProcessState, 'plan' | 'targets'> & { readonly entities?: readonly EntityTarget[] },
): Promise<Fingerprint> {
  const added = new Map<number, Set<string>>();
  for (const { derivation, targetNo } of process.targets) {
    if (process.plan.tables[targetNo]?.target.addColumn !== true) continue;
    const names = added.get(derivation.table.relid) ?? new Set<string>();
    added.set(derivation.table.relid, names.add(derivation.target.name));
  }
  const footprint = footprintOf(
    process.targets.map((target) => target.derivation),
    process.entities?.map(({ entity }) => entity),
  ).map((found) => ({
    ...found,
    columns: found.columns.filter((name) => added.get(found.relid)?.has(name) !== true),
  }));
  return readFingerprint(access, footprint);
}
