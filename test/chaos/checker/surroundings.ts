import { both, each, type History, type Invariant, type Judged } from './history.js';

// What others see of us: the application, the catalog, the host. I9, I10, I11, I17, I20, I24, and the liveness that a run can end with.

/** A sampler sees a wait up to one period late and cannot see the last one before its end. */
const samplingMs = 150;
/** DESIGN section 5: from the first row lock to COMMIT well below the server's deadlock_timeout. */
const rowWaitMsMax = 500;
const residentBytesMax = 512 * 1024 ** 2;
const openFilesMax = 256;
const connectionsMax = 80;

const disturbed = ({ disturbed }: History, at: number, ms: number): boolean =>
  disturbed.some(({ from, to }) => at >= from && at - ms <= to);

const boundedWaits = (history: History): Judged =>
  both(
    ...history.catalog.map(({ at, waits }) =>
      each(waits, (wait) => {
        const limit = (wait.kind === 'table' ? history.limits.lockBudgetMs : rowWaitMsMax) + samplingMs;
        return wait.ms <= limit || disturbed(history, at, wait.ms)
          ? undefined
          : `${wait.by} waited ${Math.round(wait.ms)} ms for a ${wait.kind} lock of ${wait.for}; limit ${limit} ms`;
      }),
    ),
  );

const checkMeansProven = ({ schemaChanges }: History): Judged =>
  each(schemaChanges, ({ checks, notNull, rowsWithoutValue, table, by }) =>
    (checks > 0 || notNull) && rowsWithoutValue > 0
      ? `${table}: a check stood over ${rowsWithoutValue} rows without value (${by})`
      : undefined,
  );

/** A new epoch opens before the last one is tidied away, and two control processes may open one at a time: for that long. */
const tidyMsMax = 20_000;

function oneOfEach({ catalog, events, end }: History): Judged {
  const finished = events.some(({ type }) => type === 'Finished');
  let since: number | undefined;
  return both(
    each(catalog, ({ slots, publications, at }) => {
      if (slots.length <= 1 && publications.length <= 1) since = undefined;
      else since ??= at;
      if (since === undefined || at - since <= tidyMsMax) return undefined;
      return `${slots.length} slots and ${publications.length} publications for ${at - since} ms`;
    }),
    each(finished ? [...end.slots, ...end.publications] : [], (name) => `${name} is left after finish`),
  );
}

const bounded = ({ processes, catalog }: History): Judged =>
  both(
    each(processes, ({ pid, residentBytes, openFiles }) =>
      residentBytes > residentBytesMax || openFiles > openFilesMax
        ? `process ${pid}: ${Math.round(residentBytes / 1024 ** 2)} MiB, ${openFiles} files`
        : undefined,
    ),
    each(catalog, ({ connections }) => (connections > connectionsMax ? `${connections} sessions of ours` : undefined)),
  );

/** Between two statements of a transaction that works, everybody is idle for a moment. */
const halfOpenMs = 5_000;

/** What must be over when the faults are. */
function settled({ end, catalog }: History): Judged {
  const last = catalog.at(-1);
  return both(
    each(last?.idleInTransaction ?? [], ({ by, ms }) =>
      ms > halfOpenMs ? `${by} holds a transaction open for ${Math.round(ms)} ms` : undefined,
    ),
    { judged: 1, witnesses: end.expiredLeases > 0 ? [`${end.expiredLeases} leases are over and not given back`] : [] },
  );
}

export const surroundingInvariants: readonly Invariant[] = [
  ['I9', 'nobody waits for a lock of ours beyond the budget', boundedWaits],
  [
    'I10',
    'no statement of the application fails because of us',
    ({ applicationErrors }) => ({
      judged: 1,
      witnesses: Object.entries(applicationErrors).map(([code, count]) => `${code} × ${count}`),
    }),
  ],
  ['I11', 'a check stands only where no row without value is', checkMeansProven],
  ['I17', 'one slot and one publication at rest, none after finish', oneOfEach],
  [
    'I20',
    'no row value and no secret in logs, events and topics',
    ({ end }) => ({ judged: 1, witnesses: end.canaries }),
  ],
  ['I24', 'memory, files and connections are bounded', bounded],
  ['L6', 'nothing is left half open', settled],
];
