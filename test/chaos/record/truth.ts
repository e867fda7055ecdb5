import type { BridgeMessage, Insert } from '../checker/history.js';
import { parseLsn } from '../checker/stream.js';
import type { AuditedTable } from './audit.js';
import { again, Reconnecting, type Looped } from './looped.js';

const slot = 'truth';
const everyMs = 500;

/**
 * Which rows were inserted without a value, by which transaction, with its commit's position: decoded by another plugin through a slot of
 * its own, so that nothing of ours is believed. A crash of the server may repeat changes; they are kept once.
 */
export async function recordTruth(
  url: string,
  tables: readonly AuditedTable[],
): Promise<Looped & { readonly inserts: () => Insert[]; readonly bridgeMessages: () => BridgeMessage[] }> {
  const admin = new Reconnecting(url, 'chaos truth');
  await admin.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [slot]);
  const inserts = new Map<string, Insert>();
  const messages = new Map<string, BridgeMessage>();
  let open: Omit<Insert, 'endLsn'>[] = [];
  const take = (lsn: string, xid: bigint, data: string): void => {
    if (data.startsWith('BEGIN')) open = [];
    else if (data.startsWith('COMMIT'))
      for (const insert of open)
        inserts.set(`${insert.xid} ${insert.table} ${insert.key}`, { ...insert, endLsn: parseLsn(lsn) });
    else if (data.startsWith('message: transactional: 0 prefix: highwater.bridge,'))
      messages.set(lsn, { lsn: parseLsn(lsn) });
    else {
      const insert = parse(data, tables);
      if (insert) open.push({ ...insert, xid });
    }
  };
  const read = async (): Promise<void> => {
    const rows = await admin.query<{ lsn: string; xid: string; data: string }>(
      // the slot says 32 bits of a transaction, as long as the cluster is young they are all of it
      `select lsn::text, xid::text, data from pg_logical_slot_get_changes($1, null, null, 'skip-empty-xacts', '1')`,
      [slot],
    );
    for (const { lsn, xid, data } of rows) take(lsn, BigInt(xid), data);
  };
  const loop = again(everyMs, read);
  return {
    inserts: () => [...inserts.values()],
    bridgeMessages: () => [...messages.values()],
    async stop() {
      await loop.stop();
      await read();
      await admin.query(`select pg_drop_replication_slot($1)`, [slot]);
      await admin.end();
    },
  };
}

/** `table public."Activity": INSERT: id[text]:'…' … "workspaceId"[text]:null …` */
function parse(data: string, tables: readonly AuditedTable[]): { table: string; key: string } | undefined {
  const name = /^table public\."?([^":]+)"?: INSERT: /.exec(data)?.[1];
  const table = tables.find((one) => one.name === name);
  if (!table) return undefined;
  const key = new RegExp(`[ "]${table.key}"?\\[[a-z ]+\\]:'?([^' ]+)`).exec(data)?.[1];
  const empty = new RegExp(`[ "]${table.target}"?\\[[a-z ]+\\]:null( |$)`).test(data);
  return key !== undefined && empty ? { table: table.name, key } : undefined;
}
