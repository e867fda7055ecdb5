import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What the guard process prepares, runs and removes; see guard.mjs. */
export interface GuardSpecification {
  /** Made by the guard and removed by it, whichever way the parent goes. Absolute. */
  readonly directory: string;
  /** The account that runs the commands; left out: ours. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Files written into the folder before anything runs (mode 0600). */
  readonly files: Readonly<Record<string, string>>;
  readonly before: readonly Command[];
  readonly server: Command;
  readonly env: Readonly<Record<string, string>>;
  readonly signals: { readonly fast: NodeJS.Signals; readonly immediate: NodeJS.Signals };
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

const LOG_LINES_KEPT = 60;

/** Our end of one guard process. It never keeps our process alive: leaving without `stop()` stops the server as well. */
export class Guard {
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #gone: Promise<void>;
  #exited: string | undefined;
  #starts = 0;

  constructor(specification: GuardSpecification, log: (line: string) => void = () => undefined) {
    const script = fileURLToPath(new URL('../guard.mjs', import.meta.url));
    this.#process = spawn(process.execPath, [script], {
      detached: true, // a group of its own: Ctrl-C ends us, and by that the guard, in this order
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/' },
    });
    this.#gone = new Promise((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.once('error', (error) => (this.#exited = error.message));
    this.#process.stdin?.on('error', () => undefined);
    if (this.#process.stdout) {
      createInterface({ input: this.#process.stdout }).on('line', (line) => this.#hear(line, log));
    }
    this.#tell(JSON.stringify(specification));
    this.#process.unref();
    for (const stream of [this.#process.stdin, this.#process.stdout]) {
      (stream as unknown as { unref?: () => void } | null)?.unref?.();
    }
  }

  /** Why the server is down, or undefined while it runs (or has not been started yet). */
  get exited(): string | undefined {
    return this.#exited;
  }

  /** Whether what comes before the server is done and the server was spawned. */
  get begun(): boolean {
    return this.#starts > 0;
  }

  /** The last lines the server printed: the reason of a failed start stands there and nowhere else. */
  get lastLines(): readonly string[] {
    return this.#lines;
  }

  /** Stops the server by the signal of that mode and starts it again on the same folder; returns when it was spawned. */
  async restart(mode: 'fast' | 'immediate'): Promise<void> {
    const before = this.#starts;
    this.#tell(`restart ${mode}`);
    for (const deadline = Date.now() + 40_000; this.#starts === before;) {
      if (Date.now() > deadline) throw new Error(`the guard did not start the server again within 40 s`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#exited = undefined;
  }

  /** Stops the server, removes its folder, and waits until both are gone. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.ref();
    this.#tell('stop');
    await this.#gone;
  }

  #tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  #hear(line: string, log: (line: string) => void): void {
    const message = JSON.parse(line) as { log?: string; started?: number; exited?: string };
    if (message.log !== undefined) {
      this.#lines.push(message.log);
      if (this.#lines.length > LOG_LINES_KEPT) this.#lines.shift();
      log(message.log);
    }
    if (message.exited !== undefined) this.#exited = message.exited;
    if (message.started !== undefined) this.#starts += 1;
  }
}

/**
 * Asks `probe` until it answers true; gives up after `timeoutMs`, or at once when the server has ended.
 * Returns undefined when ready, else the reason with the server's last lines.
 */
export async function whyNotReady(
  guard: Guard,
  probe: () => Promise<void>,
  timeoutMs: number,
): Promise<string | undefined> {
  let last = 'no answer yet';
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline;) {
    if (guard.exited !== undefined) return `it ended with ${guard.exited}:\n${guard.lastLines.slice(-15).join('\n')}`;
    try {
      await probe();
      return undefined;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return `not ready after ${timeoutMs / 1000} s (${last}):\n${guard.lastLines.slice(-15).join('\n')}`;
}
