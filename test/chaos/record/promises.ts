import type { BrokenPromise } from '../checker/history.js';
import type { AuditedTable } from './audit.js';
import { again, Reconnecting, type Looped } from './looped.js';
import { quietKafka, type EpochReader, type TopicSettings } from './topic-readers.js';

const everyMs = 150;

/** Of the hints with these keys and transactions: those whose transaction is not visible, and those whose very row has no value and is not listed. */
const unkept = ({ name, key, target }: AuditedTable): string => `
select h.no::int as no, case when seen.visible then 'empty' else 'invisible' end as how
  from unnest($1::text[], $2::text[]) with ordinality as h (key, xid, no)
  cross join lateral (select pg_visible_in_snapshot(h.xid::xid8, pg_current_snapshot()) as visible) as seen
  left join (select r."${key}"::text as key, r.xmin::text::numeric as xmin from public."${name}" r where r."${target}" is null
               and not exists (select from highwater.unfillable_row u where u.closed_at is null and u.key = array[r."${key}"::text])) as empty
    on empty.key = h.key and empty.xmin = h.xid::numeric % 4294967296
 where not seen.visible or empty.key is not null`;

/**
 * Asks which offsets are committed and only then looks at the rows of the hints below: each must have a value by now, or be listed. A row is
 * held against its hint only in the very version that the hint's transaction inserted.
 */
export function watchPromises(
  url: string,
  settings: TopicSettings,
  tables: readonly AuditedTable[],
  current: () => EpochReader | undefined,
): Looped & { readonly broken: BrokenPromise[] } {
  const broken: BrokenPromise[] = [];
  const checked = new Set<string>();
  const database = new Reconnecting(url, 'chaos promises');
  const admin = quietKafka(settings).admin();
  const connected = admin.connect();
  const topic = `${settings.topicPrefix}.${settings.migration}.hints`;
  const loop = again(everyMs, async () => {
    await connected;
    const reader = current();
    if (!reader) return;
    const groups = await admin.fetchOffsets({
      groupId: `${settings.topicPrefix}.${settings.migration}.filler`,
      topics: [topic],
    });
    const ends = await admin.fetchTopicOffsets(topic);
    const at = Date.now();
    for (const { partition, offset } of groups[0]?.partitions ?? []) {
      const committed = BigInt(offset);
      const high = BigInt(ends.find((end) => end.partition === partition)?.high ?? 0);
      if (committed > high) continue; // of the topic before this one
      const due = reader.hints.filter(
        (hint) =>
          hint.partition === partition &&
          hint.offset < committed &&
          !checked.has(`${hint.epoch}/${partition}/${hint.offset}`),
      );
      for (const table of tables) {
        const hints = due.filter((hint) => hint.table === table.name);
        if (hints.length === 0) continue;
        const judged = await database.query<{ no: number; how: BrokenPromise['how'] }>(unkept(table), [
          hints.map(({ key }) => key),
          hints.map(({ xid }) => String(xid)),
        ]);
        for (const hint of hints) checked.add(`${hint.epoch}/${partition}/${hint.offset}`);
        for (const { no, how } of judged) {
          const hint = hints[no - 1];
          if (hint)
            broken.push({
              at,
              how,
              xid: hint.xid,
              partition,
              offset: hint.offset,
              committed,
              table: table.name,
              key: hint.key,
            });
        }
      }
    }
  });
  return {
    broken,
    async stop() {
      await loop.stop();
      await database.end();
      await admin.disconnect().catch(() => undefined);
    },
  };
}
