import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oldApplication } from '../support/old-application.js';
import { majors, usePostgres, waitFor } from '../support/stack.js';
import { startPausedStreamRun, type StreamRun } from '../support/stream-run.js';

/*
 * Somebody touches our slot or our publication. One run, one life of the stream after the other; the sweep is paused, so that a row whose
 * hint is lost stays NULL until the sweep of a new epoch may look. An old application writes all the time.
 */
describe.sequential.each(majors)('PostgreSQL %i', (major) => {
  const cluster = usePostgres({ major });
  let run: StreamRun;
  let application: ReturnType<typeof oldApplication>;
  const lost: string[] = [];
  beforeAll(async () => {
    run = await startPausedStreamRun(await cluster.freshDatabase(), `epochs-${major}`);
    application = oldApplication(await run.client('old-app'), 25);
  });
  afterAll(async () => {
    await application.stop();
    await run.close();
  });

  /** A row that no stream will ever bring. */
  const insertLost = async (title: string): Promise<void> => {
    await run.insert(title);
    lost.push(title);
  };
  const slot = async (): Promise<string> => {
    const { rows } = await run.prepared.admin.query<{ name: string }>(
      `select slot_name as name from pg_replication_slots where slot_name like 'hw\\_%'`,
    );
    expect(rows).toHaveLength(1); // an earlier epoch leaves none behind
    return rows[0]?.name ?? '';
  };
  const publication = async (): Promise<string> => {
    const { rows } = await run.prepared.admin.query<{ name: string }>(
      `select p.pubname as name from pg_publication p join pg_replication_slots s on s.slot_name = p.pubname`,
    );
    return pg.escapeIdentifier(rows[0]?.name ?? '');
  };
  const rebuiltAfter = async (epoch: number, reason: string, message: RegExp): Promise<void> => {
    expect(await run.broken(epoch)).toMatchObject({ reason, message: expect.stringMatching(message) as string });
    await run.rebuilt(epoch + 1);
    await run.streams();
  };

  it('F36 a slot advanced by hand is noticed before anything behind it is acknowledged', async () => {
    const name = await slot();
    await run.withoutRelay(async () => {
      await insertLost('advanced over');
      await run.prepared.admin.query('select pg_replication_slot_advance($1, pg_current_wal_lsn())', [name]);
    });
    await rebuiltAfter(1, 'SlotAdvanced', /somebody advanced it/);
  });

  it('F33 a slot dropped by a DBA', async () => {
    const name = await slot();
    await run.withoutRelay(async () => {
      await insertLost('without slot');
      await run.prepared.admin.query('select pg_drop_replication_slot($1)', [name]);
    });
    await rebuiltAfter(2, 'SlotMissing', /does not exist/);
  });

  it('F38 a publication that loses our table is noticed before the next acknowledgement', async () => {
    await run.prepared.admin.query(`alter publication ${await publication()} drop table "Activity"`);
    await insertLost('of no member');
    await rebuiltAfter(3, 'PublicationChanged', /was altered/);
  });

  it('F40 a publication that gets another row filter, or another column list', async () => {
    const name = await publication();
    const set = (list: string, filter: string): Promise<unknown> =>
      run.prepared.admin.query(
        `alter publication ${name} set table "Group" (id) where ("workspaceId" is null), "Activity" ${list} where (${filter})`,
      );
    await set('(id)', `"workspaceId" is null and title <> 'filtered'`);
    await insertLost('filtered');
    await rebuiltAfter(4, 'PublicationChanged', /was altered/);
    await run.prepared.admin.query(
      `alter publication ${await publication()} set table "Group" (id) where ("workspaceId" is null), "Activity" (id, title) where ("workspaceId" is null)`,
    );
    await rebuiltAfter(5, 'PublicationChanged', /was altered/);
  });

  it('F39 a publication made again by another owner: the stream is rebuilt beside it, and everybody is told whose it is', async () => {
    const { admin } = run.prepared;
    const name = await publication();
    await admin.query(`drop publication ${name}`);
    await insertLost('between two publications');
    await admin.query(
      `create publication ${name} for table "Group" (id) where ("workspaceId" is null), "Activity" (id) where ("workspaceId" is null)
         with (publish = 'insert', publish_via_partition_root = true)`,
    );
    const { reason } = await run.broken(6);
    expect(['PublicationChanged', 'PublicationMissing']).toContain(reason); // 15 may meet the decoding error first
    await run.rebuilt(7);
    await run.streams();
    const told = await waitFor('the stranger to be named', async () => {
      const condition = await run.condition('PublicationIntact');
      return condition?.status === 'True' && condition.message.includes('belongs to role') ? condition : undefined;
    });
    expect(told.message).toContain(`drop publication ${name}`);
  });

  it('F33 F36 F38 F39 F40 no row is lost, no statement of the application failed, and finish lists what is a stranger’s', async () => {
    for (const title of lost.filter((one) => one !== 'filtered'))
      expect([title, await run.isFilled(title)]).toEqual([title, false]);
    await run.resume();
    await run.until('bridged');
    await run.cutoverOnceReady();
    await run.until('enforced');
    await application.stop();
    expect(application.failed).toEqual([]);
    expect(await run.count()).toMatchObject({ wrong: 0 });
    const { result } = await run.finish();
    expect(result).toEqual({ leftovers: [expect.stringMatching(/^publication hw_[0-9a-f]{8}_6$/) as string] });
  });
});
