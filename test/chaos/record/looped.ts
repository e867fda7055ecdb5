import pg from 'pg';

/** Something done again and again beside the run; a look that fails (the server restarts) is simply missing. */
export interface Looped {
  stop(): Promise<void>;
}

export function again(everyMs: number, look: () => Promise<void>): Looped {
  let going = true;
  const done = (async () => {
    while (going) {
      const began = performance.now();
      await look().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, everyMs - (performance.now() - began))));
    }
  })();
  return {
    async stop() {
      going = false;
      await done;
    },
  };
}

const awayStates = /^(57P0|08)/;
const patientTries = 80;

/** A connection that comes back after the server did. */
export class Reconnecting {
  #client: pg.Client | undefined;

  constructor(
    private readonly url: string,
    private readonly name: string,
  ) {}

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    if (!this.#client) {
      const client = new pg.Client({
        connectionString: this.url,
        application_name: this.name,
        connectionTimeoutMillis: 2_000,
      });
      client.on('error', () => {
        if (this.#client === client) this.#client = undefined;
      });
      await client.connect();
      this.#client = client;
    }
    const client = this.#client;
    try {
      return (await client.query<Row>(text, values)).rows;
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || awayStates.test(error.code ?? '')) {
        this.#client = undefined;
        void client.end().catch(() => undefined);
      }
      throw error;
    }
  }

  /** Again and again while the server is away, as a person at a terminal would. */
  async patient<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    for (let tries = 1; ; tries += 1)
      try {
        return await this.query<Row>(text, values);
      } catch (error) {
        if (tries >= patientTries || (error instanceof pg.DatabaseError && !awayStates.test(error.code ?? '')))
          throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
  }

  async end(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
    this.#client = undefined;
  }
}
