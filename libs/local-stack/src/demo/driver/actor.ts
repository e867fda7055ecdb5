import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** What an actor gets of our environment: nothing of the servers' accounts. */
const ownEnvironment = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '/',
});

export interface ActorOptions<Line> {
  /** Below dist/demo. */
  readonly script: string;
  /** For errors; else the script's folder. */
  readonly name?: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly errorFile: string;
  readonly signal: AbortSignal;
  readonly onLine?: (line: Line) => void;
}

/** One of the demo's other processes: prints JSON lines, ends by SIGTERM with a `final` one, and by itself when we are gone. */
export class Actor<Line extends { readonly kind: string }> {
  readonly lines: Line[] = [];
  readonly #process: ChildProcess;
  readonly #name: string;

  constructor(private readonly options: ActorOptions<Line>) {
    this.#name = options.name ?? options.script.split('/')[0] ?? basename(options.script);
    const main = fileURLToPath(new URL(`../${options.script}`, import.meta.url));
    this.#process = spawn(process.execPath, [main, ...options.args, '--stop-on-stdin-end'], {
      env: { ...ownEnvironment(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stderr?.pipe(createWriteStream(options.errorFile, { flags: 'a' }));
    if (!this.#process.stdout) throw new Error('invariant broken: stdout is a pipe');
    createInterface({ input: this.#process.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line;
      this.lines.push(line);
      // status lines come every second for as long as the demo runs; only the newest is of use
      if (this.lines.length > 1 && this.lines.at(-2)?.kind === 'status') this.lines.splice(-2, 1);
      options.onLine?.(line);
    });
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Waits for a line of that kind. Errors when the process ends without it. */
  async line(kind: Line['kind'], timeoutMs: number): Promise<Line> {
    return await until(
      `${this.#name} to print a line of kind "${kind}"`,
      () => {
        const ended = this.ended;
        const found = this.lines.findLast((line) => line.kind === kind);
        if (!found && ended && kind !== 'final')
          throw new Error(`${this.#name} ended before it printed "${kind}"; see ${this.options.errorFile}`);
        return found;
      },
      { timeoutMs, everyMs: 20, signal: this.options.signal, describe: () => JSON.stringify(this.lines.at(-1)) },
    );
  }

  /** One line on its standard input. */
  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** SIGTERM, and the `final` line. */
  async finish(timeoutMs = 60_000): Promise<Line> {
    this.kill('SIGTERM');
    return await this.line('final', timeoutMs);
  }

  /** For the end of everything: politely, then not. */
  async stop(): Promise<void> {
    if (this.ended) return;
    const gone = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), 8_000);
    await gone;
    clearTimeout(timer);
  }
}
