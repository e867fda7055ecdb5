import { randomBytes } from 'node:crypto';
import { HighwaterError, migrationId, type FenceToken } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import {
  emitFence,
  readBridgeUses,
  serverNow,
  slotFacts,
  type BridgeUse,
  type StoredOperation,
} from '@highwater/target-db';
import { bridgeInUse } from '../codes.js';
import type { ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { waitUntil } from '../wait-until.js';

/** How long the relay gets to read what the bridge has reported by now. */
const readLimitMs = 5_000;

/** What finish stores once the bridge was found unused: from then on it takes things away, and a crash is only a repetition. */
export const judged = { bridgeUnused: true } as const;
export const bridgeJudged = (finish: StoredOperation | undefined): boolean =>
  (finish?.result as { bridgeUnused?: unknown } | null | undefined)?.bridgeUnused === true;

/**
 * Throws HW5093 unless nobody used the bridge for a whole window. Judged by its own reports, so the stream that carries them must have
 * been read to its present end: silence of a relay that lags or of a broken stream is no silence of the application.
 */
export async function assertBridgeUnused(
  context: ControlContext,
  { id, plan }: Pick<ProcessState, 'id' | 'plan'>,
  state: LiveMigration,
  windowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const access = context.database.state;
  if (!state.bridge || state.bridge.mode === 'observe') return; // one that only watches keeps nobody alive
  if (state.streamPlanned && state.stream !== 'open')
    throw inUse(id, windowMs, 'its reports cannot be read while the stream is broken', 'see `stream` in the status');
  const quiet = async (): Promise<void> => {
    const now = (await serverNow(access)).getTime();
    const sinceMs = Math.max(Date.parse(state.phaseSince), Date.parse(state.streamSince ?? state.phaseSince));
    const [last] = (await readBridgeUses(access, id)).filter((use) => wasNeeded(use, plan)); // newest first
    const seconds = (ms: number): string => `${Math.round(ms / 1000)} s ago`;
    if (last && last.lastAgeMs < windowMs)
      throw inUse(id, windowMs, `"${last.applicationName}" used the bridge ${seconds(last.lastAgeMs)}`);
    if (now - sinceMs < windowMs) throw inUse(id, windowMs, `watched since ${seconds(now - sinceMs)}`);
  };
  await quiet();
  if (!state.streamFacts || !state.streamPlanned) return;
  // acknowledged up to here means counted up to here: the relay counts before it acknowledges
  const { slot } = state.streamFacts;
  const end = await emitFence(access, `u-${randomBytes(6).toString('hex')}` as FenceToken, migrationId(id));
  const read = await waitUntil(
    async () => ((await slotFacts(access, slot)).confirmedFlushLsn ?? 0n) >= end || undefined,
    { limitMs: readLimitMs, signal },
  );
  if (!read)
    throw inUse(id, windowMs, `the relay has not read its reports up to now`, 'look at the relay and at Kafka');
  await quiet();
}

/**
 * Where a table may keep NULLs, a row that has no value by the rule either is what a new application writes every day, and no bridge changes it: that
 * is not a use, or `finish` would wait for ever. Pure.
 */
export const wasNeeded = (
  { targetNo, outcome }: Pick<BridgeUse, 'targetNo' | 'outcome'>,
  { tables }: { readonly tables: readonly { readonly notNull: boolean }[] },
): boolean => outcome !== 'left_null' || tables[targetNo]?.notNull !== false;

const inUse = (id: string, windowMs: number, why: string, help = 'replace the old application'): HighwaterError =>
  new HighwaterError(
    bridgeInUse,
    'backoff',
    `bridge of "${id}" stays: ${why}; need ${Math.round(windowMs / 1000)} s without use`,
    { migration: id, windowMs },
    `${help}; \`finish\` goes on by itself, or at once when asked with bridgeUnused`,
  );
