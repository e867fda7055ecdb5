import { join } from 'node:path';
import { ask, startService, type ServiceProcess } from '../support/service-process.js';

const roles = ['control', 'relay', 'filler', 'sweeper'] as const;
type Roles = readonly (typeof roles)[number][];
const startTries = 60;

interface Place {
  running: ServiceProcess | undefined;
  roles: Roles;
}

/** Two service processes that share the work by a random split of the roles; whichever is killed comes back with another one. */
export class Services {
  readonly logs: readonly string[];
  readonly #places: Place[] = [0, 1].map(() => ({ running: undefined, roles }));
  #stopped = false;

  constructor(
    private readonly environment: Readonly<Record<string, string>>,
    folder: string,
  ) {
    this.logs = this.#places.map((_, n) => join(folder, `service-${n}.log`));
  }

  get places(): number {
    return this.#places.length;
  }

  pids(): number[] {
    return this.#places.flatMap(({ running }) => running?.child.pid ?? []);
  }

  /** Starts the process of that place; it takes all roles, or some when the other has all. Tries again while its servers are away. */
  async start(n: number, random: () => number): Promise<string> {
    const place = this.#place(n);
    const others = this.#places.filter((other) => other !== place);
    const covered = others.some(({ roles: has, running }) => running && has.length === roles.length);
    const some = roles.filter(() => random() < 0.6);
    place.roles = covered && some.length > 0 ? some : roles;
    const environment = { ...this.environment, HIGHWATER_ROLES: place.roles.join() };
    for (let tries = 1; !this.#stopped; tries += 1)
      try {
        const started = await startService(environment, this.logs[n] ?? '');
        if (this.#stopped) await started.kill('SIGKILL');
        else place.running = started;
        return place.roles.join();
      } catch (error) {
        if (tries >= startTries) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    return 'stopped';
  }

  async kill(n: number): Promise<void> {
    const { running } = this.#place(n);
    this.#place(n).running = undefined;
    await running?.kill('SIGKILL');
  }

  /** Freezes the process for a while; it may be killed meanwhile. */
  async freeze(n: number, ms: number): Promise<void> {
    const child = this.#place(n).running?.child;
    child?.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, ms));
    child?.kill('SIGCONT');
  }

  /** Asks whichever process answers; undefined when none does. */
  async ask(path: string, init?: Parameters<typeof ask>[2]): ReturnType<typeof ask> {
    for (const { running } of this.#places) {
      if (!running) continue;
      const answer = await Promise.race([ask(running.url, path, init), late()]);
      if (answer && answer.status < 500) return answer;
    }
    return undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(
      this.#places.map(async ({ running }) => {
        running?.child.kill('SIGCONT');
        await running?.kill('SIGKILL');
      }),
    );
  }

  #place(n: number): Place {
    const place = this.#places[n];
    if (!place) throw new Error(`there is no place ${n}`);
    return place;
  }
}

/** A frozen process takes the request and never answers. */
const late = (): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, 5_000, undefined).unref());
