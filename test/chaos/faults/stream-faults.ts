import { quietKafka } from '../record/topic-readers.js';
import { migration, type World } from '../world.js';

/** Slot and publication of the newest epoch, when they are there. */
async function current({ admin }: World, kind: 'slot' | 'publication'): Promise<string | undefined> {
  const rows = await admin.patient<{ name: string }>(
    `select data ->> $2 as name from highwater.event where stream_id = $1 and type = 'StreamOpened'
        and (exists (select from pg_replication_slots where slot_name = data ->> $2) or exists (select from pg_publication where pubname = data ->> $2))
      order by version desc limit 1`,
    [`migration/${migration}`, kind],
  );
  return rows[0]?.name;
}

/** Ends the relay's session first, again and again: it comes back at once. */
async function onFreeSlot(world: World, statement: (slot: string) => string): Promise<string> {
  const slot = await current(world, 'slot');
  if (slot === undefined) return 'there was no slot';
  world.recording.tampered(statement(slot));
  for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
    await world.admin
      .query(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active`, [
        slot,
      ])
      .catch(() => undefined);
    const done = await world.admin.query(statement(slot)).then(
      () => true,
      (error: unknown) => (error as { code?: string }).code === '42704', // gone: somebody was faster
    );
    if (done) return slot;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return 'the relay never let go of the slot';
}

export const dropSlot = (world: World): Promise<string> =>
  onFreeSlot(world, (slot) => `select pg_drop_replication_slot('${slot}')`);

export const advanceSlot = (world: World): Promise<string> =>
  onFreeSlot(world, (slot) => `select pg_replication_slot_advance('${slot}', pg_current_wal_lsn())`);

export async function dropPublication(world: World): Promise<string> {
  const name = await current(world, 'publication');
  if (name === undefined) return 'there was no publication';
  world.recording.tampered('publication dropped');
  await world.admin.patient(`drop publication "${name}"`);
  return name;
}

/** As an administrator who "puts it back": another object under the old name. */
export async function recreatePublication(world: World): Promise<string> {
  const name = await current(world, 'publication');
  if (name === undefined) return 'there was no publication';
  world.recording.tampered('publication re-created');
  await world.admin.patient(
    `begin; drop publication "${name}"; create publication "${name}" for table "Group", "Activity", "Response" with (publish = 'insert'); alter publication "${name}" owner to "${world.ddlRole}"; commit`,
  );
  return name;
}

export async function deleteTopic({ kafka, topicPrefix, recording }: World): Promise<string> {
  const topic = `${topicPrefix}.${migration}.hints`;
  const admin = quietKafka(kafka).admin();
  await admin.connect();
  try {
    if (!(await admin.listTopics()).includes(topic)) return 'there was no topic';
    recording.tampered('topic deleted');
    await admin.deleteTopics({ topics: [topic] });
    return topic;
  } finally {
    await admin.disconnect();
  }
}
