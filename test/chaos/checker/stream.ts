import { both, each, type History, type Invariant, type Judged } from './history.js';

// The stream: I6 on both links, I13, I19.

/** The broker rounds to milliseconds. */
const clockMs = 5;

interface Life {
  readonly epoch: number;
  readonly slot: string;
  readonly from: number;
  readonly to: number;
  readonly consistentPoint: bigint;
}

export const parseLsn = (text: string): bigint => {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
};

/** From an epoch's opening until somebody's hand, its break, or the last moment at which its topic had been read to the end. */
export function livesOf(history: History): Life[] {
  const opened = history.events.filter((event) => event.type === 'StreamOpened');
  return opened.map((event, i) => {
    const next = opened[i + 1]?.at ?? Infinity;
    const ends = [
      next,
      history.readUpTo[Number(event.data['epoch'])] ?? event.at,
      ...history.events.filter(({ type }) => type === 'StreamBroken' || type === 'Finished').map(({ at }) => at),
      ...history.tampered.map(({ at }) => at),
    ].filter((at) => at >= event.at);
    return {
      epoch: Number(event.data['epoch']),
      slot: String(event.data['slot']),
      from: event.at,
      to: Math.min(...ends),
      consistentPoint: parseLsn(String(event.data['consistentPoint'])),
    };
  });
}

/** Everything that committed before an acknowledged position must have been in the topic by then, of that epoch. */
function acknowledgedIsStored(history: History): Judged {
  const stored = new Map<string, number>();
  for (const { epoch, table, key, xid, storedAt } of history.hints) {
    const name = `${epoch} ${xid} ${table} ${key}`;
    stored.set(name, Math.min(storedAt, stored.get(name) ?? Infinity));
  }
  return both(
    ...livesOf(history).map((life) => {
      const acknowledged = acknowledgements(history, life);
      const owed = history.inserts.filter(({ endLsn }) => endLsn > life.consistentPoint);
      return both(
        ...owed.map((insert): Judged => {
          const first = acknowledged.find(({ position }) => position >= insert.endLsn);
          if (!first) return { judged: 0, witnesses: [] };
          const storedAt = stored.get(`${life.epoch} ${insert.xid} ${insert.table} ${insert.key}`) ?? Infinity;
          if (storedAt <= first.at + clockMs) return { judged: 1, witnesses: [] };
          const late = storedAt === Infinity ? 'never' : `${(storedAt - first.at).toFixed(0)} ms later`;
          const what = `${insert.table} ${short(insert.key)} of transaction ${insert.xid}`;
          return {
            judged: 1,
            witnesses: [`epoch ${life.epoch}: ${what} was acknowledged to PostgreSQL and stored in Kafka ${late}`],
          };
        }),
      );
    }),
  );
}

/** The counters are looked at that often; the look after an acknowledgement may have begun before it, so the next one counts. */
const countedMs = 400;

/** What the bridge told before an acknowledged position must be counted by then: nobody tells it again. */
function acknowledgedIsCounted(history: History): Judged {
  const counted = (at: number): number | undefined =>
    history.progress.find((sample) => sample.at >= at)?.counters['bridged'];
  return both(
    ...livesOf(history).map((life) => {
      const before = history.progress.findLast(({ at }) => at < life.from)?.counters['bridged'] ?? 0;
      const told = history.bridgeMessages.filter(({ lsn }) => lsn > life.consistentPoint);
      return each(told.length === 0 ? [] : acknowledgements(history, life), ({ at, position }) => {
        const owed = told.filter(({ lsn }) => lsn <= position).length;
        const done = (counted(at + countedMs) ?? Infinity) - before;
        return done >= owed
          ? undefined
          : `epoch ${life.epoch}: ${owed} statements of the bridge were acknowledged to PostgreSQL, ${done} were counted`;
      });
    }),
  );
}

/** Each new position of the epoch's slot and when it was first seen. */
function acknowledgements({ catalog }: History, life: Life): { at: number; position: bigint }[] {
  const steps: { at: number; position: bigint }[] = [];
  for (const { at, slots } of catalog) {
    if (at <= life.from || at >= life.to) continue;
    const position = slots.find(({ name }) => name === life.slot)?.acknowledged ?? 0n;
    if (position > (steps.at(-1)?.position ?? 0n)) steps.push({ at, position });
  }
  return steps;
}

/**
 * An offset says that everything before it had its effect. Only hints of real inserts are promises: a forged one promises nothing. Rows
 * given up as contended belong to the tail pass: that many are excused.
 */
function committedIsDone({ brokenPromises, inserts, hints, contended }: History): Judged {
  const real = new Set(inserts.map(({ xid, table, key }) => `${xid} ${table} ${key}`));
  const broken = brokenPromises.filter(({ xid, table, key }) => real.has(`${xid} ${table} ${key}`));
  const excused = broken.filter(({ how }) => how === 'empty').length <= contended;
  return {
    judged: hints.length,
    witnesses: broken
      .filter(({ how }) => how === 'invisible' || !excused)
      .map(({ partition, offset, committed, table, key, how }) => {
        const what = how === 'empty' ? 'had no value' : 'was not even visible';
        return `offset ${committed} of partition ${partition} was committed while ${table} ${short(key)} (offset ${offset}) ${what}`;
      }),
  };
}

const short = (key: string): string => (key.length > 40 ? `${key.slice(0, 40)}…` : key);

function publishedInOrder({ events, published }: History): Judged {
  let newest = 0;
  return both(
    each(published, ({ id, version }) => {
      const fresh = version > newest;
      const gap = fresh && version !== newest + 1;
      if (fresh) newest = version;
      if (gap) return `${id} was published before the versions between`;
      return version > events.length ? `${id} is not in the log` : undefined;
    }),
    each(events, ({ version }) =>
      published.length > 0 && version > newest ? `version ${version} was never published` : undefined,
    ),
  );
}

export const streamInvariants: readonly Invariant[] = [
  [
    'I6',
    'acknowledged to PostgreSQL means stored in Kafka, or counted; a committed offset means the effect is there',
    (history) => both(acknowledgedIsStored(history), acknowledgedIsCounted(history), committedIsDone(history)),
  ],
  ['I19', 'published events are the log, in order, each at least once', publishedInOrder],
];
