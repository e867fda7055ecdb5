import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { messageOf } from '@highwater/kernel';
import { Histogram } from '../application/histogram.js';
import type { WaitSummary } from '../application/histogram.js';

const EVERY_MS = 100;
const POLL_MS = 2;
const FILLED_MS_MAX = 30_000;

export interface LatencyReport extends WaitSummary {
  /** Rows that nobody filled in half a minute, and whatever else went wrong. */
  readonly problems: readonly string[];
}

/**
 * From INSERT to filled, as a client sees it: inserts one Activity without workspaceId about every 100 ms and asks until it has one.
 * Only meant while there is no bridge: with one, the row never is without.
 */
export class LatencyProbe {
  readonly #waits = new Histogram();
  readonly #problems: string[] = [];
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(private readonly url: string) {}

  start(): void {
    this.#running ??= this.#run().catch((error: unknown) => void this.#problems.push(messageOf(error)));
  }

  async stop(): Promise<LatencyReport> {
    this.#stop.abort();
    await this.#running;
    return { ...this.#waits.summary(), problems: this.#problems };
  }

  async #run(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'latency probe' });
    client.on('error', (error) => void this.#problems.push(messageOf(error)));
    await client.connect();
    try {
      const groups = await client.query<{ id: string }>(
        `select id from "Group" where "orgId" is not null order by id limit 100`,
      );
      for (let n = 0; !this.#stop.signal.aborted; n += 1) {
        const group = groups.rows[n % groups.rows.length];
        if (!group || !(await this.#one(client, group.id))) return;
        await wait(EVERY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** False: the row came with its value, so the bridge is there and there is nothing to measure any more. */
  async #one(client: pg.Client, groupId: string): Promise<boolean> {
    // behind every key there was when the sweep began
    const id = `cz${Date.now().toString(16).padStart(11, '0')}${randomBytes(6).toString('hex')}`;
    const inserted = await client.query<{ filled: boolean }>(
      `insert into "Activity" (id, "groupId", title) values ($1, $2, 'insert to filled') returning "workspaceId" is not null as filled`,
      [id, groupId],
    );
    if (inserted.rows[0]?.filled !== false) return false;
    for (const from = performance.now(); !this.#stop.signal.aborted;) {
      const { rows } = await client.query<{ filled: boolean }>(
        `select "workspaceId" is not null as filled from "Activity" where id = $1`,
        [id],
      );
      const ms = performance.now() - from;
      if (rows[0]?.filled) {
        this.#waits.record(ms);
        return true;
      }
      if (ms > FILLED_MS_MAX) {
        this.#problems.push(`a row was not filled within ${FILLED_MS_MAX / 1_000} s`);
        return true;
      }
      await wait(POLL_MS);
    }
    return true;
  }
}
