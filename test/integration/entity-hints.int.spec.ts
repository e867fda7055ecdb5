import { afterEach, describe, expect, it } from 'vitest';
import { collectHints, openStream, streaming, type Collected, type OpenStream } from '../support/stream.js';
import { majors, usePostgres, waitFor } from '../support/stack.js';

describe.each(majors)('hints of a table that is a target and a source of entities, on PostgreSQL %i', (major) => {
  const { server } = usePostgres({ major });
  let open: OpenStream | undefined;
  let collected: Collected | undefined;
  afterEach(async () => {
    await collected?.stop();
    await open?.close();
  });

  it('tell of every insert for the entities, also of rows that bring their value, and of no other change', async () => {
    open = await openStream(server(), 'sources', { source: true });
    const all = (collected = await collectHints(open.kafka, open.stream));
    const relay = open.relay();
    await relay.start();
    await streaming(relay);
    const { app } = open;
    await app.query(`insert into app."Activity" (id, "workspaceId") values ('new application', 'w')`);
    await app.query(`begin; insert into app."Activity" (id) values ('rolled back'); rollback`);
    await app.query(`update app."Activity" set note = 'changed'; delete from app."Activity"`);
    await app.query(`insert into app."Activity" (id) values ('old application')`);
    await waitFor('two hints of each row', () => all.hints.length >= 4, { describe: () => all.hints });
    const found = all.hints.map(({ hint }) => (hint.kind === 'fence' ? hint.kind : `${hint.kind} ${hint.key.join()}`));
    expect(found.sort()).toEqual([
      'entity new application',
      'entity old application',
      'row new application',
      'row old application',
    ]);
    const kinds = all.hints.flatMap(({ hint }) => (hint.kind === 'fence' || !hint.key.includes('old application') ? [] : hint.kind)); // prettier-ignore
    expect(kinds).toEqual(['entity', 'row']); // in the partition of both: what the row needs is made first
    await waitFor('both transactions to be acknowledged', () => relay.status().inFlightBytes === 0);
    expect(open.broken).toEqual([]);
  });
});
