import { afterEach, describe, expect, it } from 'vitest';
import { deleteTopics, ensureTopics } from '@highwater/messaging';
import { publicationFacts, publicationStatement, slotFacts } from '@highwater/target-db';
import { openStream, streaming, type OpenStream } from '../support/stream.js';
import { majors, usePostgres, waitFor } from '../support/stack.js';

describe.each(majors)('a publication that changes, PostgreSQL %s', (major) => {
  const { server } = usePostgres({ major });
  let open: OpenStream | undefined;
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  const brokenBy = async (name: string, change: (stream: OpenStream) => Promise<unknown>): Promise<OpenStream> => {
    const stream = await openStream(server(), name);
    open = stream;
    const relay = stream.relay();
    await relay.start();
    await streaming(relay);
    await stream.app.query(`insert into app."Activity" (id) values ('before')`);
    await waitFor('the first hint', () => relay.status().hintsSent === 1, { describe: () => relay.status() });
    const confirmed = (await slotFacts(stream.database.state, stream.stream.slot)).confirmedFlushLsn ?? 0n;
    await change(stream);
    await stream.app.query(`insert into app."Activity" (id) values ('after')`);
    await waitFor('broken', () => relay.status().state === 'broken', { describe: () => relay.status() });
    // whatever was acknowledged since was received before the change: the row after it was not
    const now = (await slotFacts(stream.database.state, stream.stream.slot)).confirmedFlushLsn ?? 0n;
    expect(now >= confirmed).toBe(true);
    return stream;
  };
  const recreate = (stream: OpenStream): Promise<unknown> =>
    stream.app.query(
      `drop publication ${stream.stream.publication}; ` +
        publicationStatement(stream.stream.publication, [
          { ident: 'app."Activity"' as never, key: ['id' as never], targets: ['"workspaceId"' as never] },
        ]),
    );

  it('dropped', async () => {
    const { broken } = await brokenBy('dropped', (stream) =>
      stream.app.query(`drop publication ${stream.stream.publication}`),
    );
    expect(broken).toMatchObject([{ reason: 'PublicationMissing' }]);
  });

  it('dropped and created again, the same to the letter', async () => {
    const { broken } = await brokenBy('recreated', recreate);
    expect(broken).toHaveLength(1);
    // 15 may meet the decoding error first, 18 skips silently
    expect(['PublicationChanged', 'PublicationMissing']).toContain(broken[0]?.reason);
  });

  it('created again while no relay was there', async () => {
    const stream = await openStream(server(), 'offline');
    open = stream;
    await recreate(stream);
    const relay = stream.relay();
    await relay.start();
    await waitFor('broken', () => relay.status().state === 'broken', { describe: () => relay.status() });
    expect(stream.broken).toMatchObject([{ reason: 'PublicationChanged' }]);
  });

  it('loses its table and gets it back between two looks', async () => {
    const { broken, database, stream } = await brokenBy('membership', ({ app, stream: info }) =>
      app.query(
        `alter publication ${info.publication} drop table app."Activity";
         alter publication ${info.publication} add table app."Activity" (id) where ("workspaceId" is null)`,
      ),
    );
    expect(broken).toMatchObject([{ reason: 'PublicationChanged' }]);
    expect((await publicationFacts(database.state, stream.publication))?.oid).toBe(stream.publicationOid);
  });

  it('topic deleted and created again', async () => {
    const { broken } = await brokenBy('topic', async ({ kafka, stream }) => {
      await deleteTopics(kafka, [stream.topic]);
      await waitFor('the topic to be created again', () =>
        ensureTopics(kafka, [{ topic: stream.topic, partitions: stream.partitions }]).then(() => true),
      );
    });
    expect(['TopicRecreated', 'TopicMissing']).toContain(broken[0]?.reason);
  });
});

describe.each(majors)('a slot that fell behind, PostgreSQL %s', (major) => {
  const { server } = usePostgres({ major, settings: { max_slot_wal_keep_size: '1MB' } });
  let open: OpenStream | undefined;
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  it('slot lost: more WAL than the server keeps', async () => {
    const stream = await openStream(server(), 'lost');
    open = stream;
    for (let segment = 0; segment < 3; segment += 1) {
      await stream.app.query(`insert into app."Activity" (id) values ($1)`, [`a${segment}`]);
      await stream.app.query('select pg_switch_wal()');
      await stream.app.query('checkpoint');
    }
    await waitFor(
      'the slot to be lost',
      async () => (await slotFacts(stream.database.state, stream.stream.slot)).walStatus === 'lost',
      { describe: () => slotFacts(stream.database.state, stream.stream.slot).then(({ walStatus }) => walStatus) },
    );
    const relay = stream.relay();
    await relay.start();
    await waitFor('broken', () => relay.status().state === 'broken', { describe: () => relay.status() });
    expect(stream.broken).toMatchObject([{ reason: 'SlotLost' }]);
  });
});
