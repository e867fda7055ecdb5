import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { usePostgres, waitFor } from '../support/stack.js';
import { startStreamRun, type StreamRun } from '../support/stream-run.js';

/*
 * PostgreSQL goes away and comes back under a whole run. The application's statements fail then by themselves; none may be lost that it was told
 * was committed, and every row must have its value in the end.
 */
describe.sequential.each([15, 18] as const)('PostgreSQL %i', (major) => {
  const cluster = usePostgres({ major });
  let run: StreamRun;
  let url: string;
  const committed = new Set<string>();
  beforeAll(async () => {
    url = await cluster.freshDatabase();
    run = await startStreamRun(url, `server-${major}`);
    await run.pause();
    await run.rebuilt(1);
  });
  afterAll(() => run.close());

  /** As an application would: a connection of its own for each statement, and what failed is forgotten. */
  const insert = async (title: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(`insert into "Activity" ("groupId", title) values ('g1', $1)`, [title]);
      committed.add(title);
    } catch {
      // told that it failed
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const ask = async <T extends pg.QueryResultRow>(text: string): Promise<T[]> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    return client
      .query<T>(text)
      .then(({ rows }) => rows)
      .finally(() => client.end());
  };
  const filledByStream = (what: string): Promise<unknown> =>
    waitFor(
      `every row committed ${what} to be filled by the stream`,
      async () => {
        const rows = await ask<{ title: string }>(`select title from "Activity" where "workspaceId" = 'o2'`);
        const filled = new Set(rows.map((row) => row.title));
        return [...committed].every((title) => filled.has(title));
      },
      { everyMs: 200, describe: () => committed.size },
    );
  const writingWhile = async (tag: string, work: () => Promise<unknown>): Promise<void> => {
    let going = true;
    const writer = (async () => {
      for (let n = 0; going; n += 1) await insert(`${tag} ${n}`);
    })();
    await work().finally(() => (going = false));
    await writer;
  };

  it.each(['fast', 'immediate'] as const)(
    'F27 restarted (%s) under writes: the relay comes back and nothing is lost',
    async (mode) => {
      await insert(`before ${mode}`);
      await writingWhile(mode, async () => cluster.server().restart?.(mode));
      await insert(`after ${mode}`);
      await filledByStream(`around a ${mode} restart`);
    },
  );

  it('F28 its postmaster killed: the slot may go back, and what comes again has no effect', async () => {
    const data = cluster.server().dataDirectory ?? '';
    await insert('before the kill');
    await writingWhile('kill', async () => {
      process.kill(Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
      // orphaned backends may keep its shared memory for a moment
      await waitFor('it to start again', () =>
        cluster
          .server()
          .restart?.('immediate')
          .then(() => true),
      );
    });
    await insert('after the kill');
    await filledByStream('around the kill');
  });

  it('F27 F28 the stream is the one that it was, and the run ends as if nothing had been', async () => {
    expect((await run.events()).map((event) => event.type)).not.toContain('StreamBroken');
    await run.resume();
    await run.until('bridged');
    await waitFor('every row to have its value', async () => {
      const [found] = await ask<{ wrong: number }>(
        `select count(*) filter (where a."workspaceId" is distinct from g."orgId")::int as wrong
           from "Activity" a join "Group" g on g.id = a."groupId"`,
      );
      return found?.wrong === 0;
    });
  });
});
