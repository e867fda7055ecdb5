import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import type { FenceToken } from '@highwater/kernel';
import {
  createPublication,
  createSlot,
  dropPublication,
  dropSlot,
  emitFence,
  openDatabase,
  publicationFacts,
  slotFacts,
  type PublicationRequest,
} from '@highwater/target-db';
import { openStream, streaming, type OpenStream } from '../support/stream.js';
import { unique, usePostgres, waitFor, withinLimit } from '../support/stack.js';

const { server, freshDatabase } = usePostgres();
let open: OpenStream | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const request = (stream: OpenStream): PublicationRequest => ({
  name: stream.stream.publication,
  migrationId: stream.migrationId,
  planHash: 'hash',
  tables: [{ ident: 'app."Activity"' as never, key: ['id' as never], targets: ['"workspaceId"' as never] }],
});

describe('publication', () => {
  it('is adopted by its own plan and by no other, and dropped twice without an error', async () => {
    open = await openStream(server(), 'publication');
    const { database, stream } = open;
    const there = { oid: stream.publicationOid, definition: stream.publicationDefinition };
    expect(await createPublication(database.ddl, request(open))).toEqual(there);
    expect(there.definition).toContain('insert t, update f, delete f, truncate f, via root t');
    expect(there.definition).toContain('("workspaceId" IS NULL)');
    await expect(createPublication(database.ddl, { ...request(open), planHash: 'another' })).rejects.toMatchObject({
      code: 'HW3004',
      message: expect.stringContaining('was not made by this plan'),
    });
    await dropPublication(database.ddl, stream.publication);
    await dropPublication(database.ddl, stream.publication);
    expect(await publicationFacts(database.state, stream.publication)).toBeUndefined();
  });

  it('leaves updates and deletes of the application alone', async () => {
    open = await openStream(server(), 'harmless');
    await open.app.query(`insert into app."Activity" (id) values ('a')`);
    await open.app.query(`update app."Activity" set note = 'x'`);
    await open.app.query(`delete from app."Activity"`);
  });
});

describe('slot', () => {
  it('is made with the stream role alone, refused when it exists, described, dropped twice', async () => {
    open = await openStream(server(), 'slot');
    const { database, stream } = open;
    await expect(createSlot(database, { name: stream.slot })).rejects.toMatchObject({ code: 'HW3002' });
    const facts = await slotFacts(database.state, stream.slot);
    expect(facts).toMatchObject({ exists: true, active: false, walStatus: 'reserved' });
    expect(facts.retainedBytes).toBeGreaterThanOrEqual(0n);
    await dropSlot(database.stream, stream.slot);
    await dropSlot(database.stream, stream.slot);
    expect(await slotFacts(database.state, stream.slot)).toMatchObject({ exists: false });
  });

  it('names who it waits for when its tries are over, and leaves none behind', async () => {
    open = await openStream(server(), 'holder');
    const { database, appUrl } = open;
    const holder = new pg.Client({ connectionString: appUrl, application_name: 'nightly-report' });
    await holder.connect();
    await holder.query(`begin; insert into app."Activity" (id) values ('held')`);
    const name = `hw_${unique()}`;
    await expect(createSlot(database, { name, timeoutMs: 300, attempts: 2 })).rejects.toMatchObject({
      code: 'HW3001',
      retry: 'backoff',
      message: expect.stringMatching(
        /was not created in 2 tries of 300 ms; it waits for open transactions: pid \d+ \(nightly-report,/,
      ),
    });
    expect(await slotFacts(database.state, name)).toMatchObject({ exists: false });
    await holder.query('rollback');
    await holder.end();
    await createSlot(database, { name });
    await dropSlot(database.stream, name);
  });

  it('ends its wait at once when it is asked to, and leaves none behind', async () => {
    open = await openStream(server(), 'asked');
    const { database, appUrl } = open;
    const holder = new pg.Client({ connectionString: appUrl });
    await holder.connect();
    await holder.query(`begin; insert into app."Activity" (id) values ('held')`);
    const name = `hw_${unique()}`;
    const stop = new AbortController();
    const making = expect(createSlot(database, { name, timeoutMs: 240_000, signal: stop.signal })).rejects.toThrow(
      'asked to stop',
    );
    // a slot under construction is listed, and waits for the holder's transaction
    await waitFor('the slot to wait', async () => (await slotFacts(database.state, name)).exists);
    stop.abort(new Error('asked to stop'));
    await withinLimit('the wait to end', making, 30_000);
    expect(await slotFacts(database.state, name)).toMatchObject({ exists: false });
    await holder.query('rollback');
    await holder.end();
    await expect(createSlot(database, { name, signal: stop.signal })).rejects.toThrow('asked to stop');
    expect(await slotFacts(database.state, name)).toMatchObject({ exists: false });
  });

  it('is dropped under a relay of ours that still holds it', async () => {
    open = await openStream(server(), 'held');
    const relay = open.relay();
    await relay.start();
    await streaming(relay);
    await dropSlot(open.database.stream, open.stream.slot);
    expect(await slotFacts(open.database.state, open.stream.slot)).toMatchObject({ exists: false });
  });

  it('writes a fence with any access role', async () => {
    const url = await freshDatabase('fence');
    const database = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url } });
    expect(await emitFence(database.state, 'f-1' as FenceToken, 'm' as never)).toBeGreaterThan(0n);
    await database.close();
  });
});
