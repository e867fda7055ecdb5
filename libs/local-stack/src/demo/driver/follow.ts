import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '@highwater/kernel';
import { Problem } from './api.js';
import type { Api, MigrationStatus, Readiness } from './api.js';
import type { Say } from './output.js';

const ASK_MS = 300;
/** The status line: every second at first, then every five; at once when the phase changes. */
const OFTEN_MS = 1_000;
const SELDOM_MS = 5_000;
const OFTEN_FOR_MS = 60_000;

/** Watches one migration over the API, prints the status line and each condition as it changes, and keeps the newest of both. */
export class Follower {
  status: MigrationStatus | undefined;
  readiness: Readiness | undefined;
  /** The last thing that could not be asked, until it can be. */
  trouble: string | undefined;
  readonly #started = Date.now();
  readonly #conditions = new Map<string, string>();
  #printedAt = 0;
  #printed = '';
  #running: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(
    private readonly api: Api,
    private readonly migration: string,
    private readonly say: Say,
  ) {}

  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** How things stand, in one line, for the error of a phase that does not end. */
  describe(): string {
    const open = (this.readiness?.conditions ?? []).filter(({ status }) => status !== 'True');
    const conditions = open.map(({ type, status, reason, message }) => `${type} ${status} (${reason}): ${message}`);
    return [this.status?.statusLine ?? 'no status yet', ...conditions, ...(this.trouble ? [this.trouble] : [])].join(
      '; ',
    );
  }

  async #loop(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        this.status = await this.api.status(this.migration);
        this.#line(this.status);
        if (this.status.phase !== 'enforced' && this.status.phase !== 'finished') {
          this.readiness = await this.api.readiness(this.migration);
          this.#changes(this.readiness);
        }
        this.trouble = undefined;
      } catch (error) {
        // 503: not evaluated yet
        if (!(error instanceof Problem && error.status === 503)) this.trouble = messageOf(error);
      }
      await wait(ASK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #line({ phase, statusLine }: MigrationStatus): void {
    const often = Date.now() - this.#started < OFTEN_FOR_MS;
    const due = Date.now() - this.#printedAt >= (often ? OFTEN_MS : SELDOM_MS);
    const moved = !this.#printed.startsWith(`${phase} `);
    if ((!due && !moved) || statusLine === this.#printed) return;
    [this.#printed, this.#printedAt] = [statusLine, Date.now()];
    this.say('status', statusLine);
  }

  #changes({ conditions }: Readiness): void {
    for (const { type, status, reason, message } of conditions) {
      const now = `${status} ${reason}`;
      if (this.#conditions.get(type) === now) continue;
      this.#conditions.set(type, now);
      this.say('condition', `${type.padEnd(20)}${status.padEnd(8)}${reason}: ${message}`);
    }
  }
}
