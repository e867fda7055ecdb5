import { both, each, type History, type Invariant, type Write } from './history.js';

// What happened to rows: I1 to I5, I8, I12, and the fencing half of I18.

const row = (write: Write): string => `${write.table} ${write.key} by ${write.by}`;

/** Writes between the acknowledgement of a stop and its end; a pause stops the sweep alone. */
function writesWhileStopped(history: History) {
  return both(
    ...history.stops.map(({ verb, acknowledgedAt, endedAt }) => {
      const within = (at: number): boolean => at > acknowledgedAt && at < endedAt;
      const after = (at: number): string => `${(at - acknowledgedAt).toFixed(1)} ms after ${verb} was acknowledged`;
      return verb === 'halt'
        ? each(history.writes, (write) =>
            within(write.committedAt) ? `${row(write)} committed ${after(write.committedAt)}` : undefined,
          )
        : each(history.rangeSteps, (step) =>
            step.filled > 0 && within(step.committedAt)
              ? `range ${step.range} filled ${step.filled} rows, committed ${after(step.committedAt)}`
              : undefined,
          );
    }),
  );
}

/** A lower token after a higher one, or two owners under one token: somebody wrote with a lease that was over. */
function fencing(history: History) {
  const newest = new Map<string, { token: bigint; owner: string | null }>();
  return each(
    [...history.rangeSteps].sort((a, b) => a.committedAt - b.committedAt),
    ({ range, token, owner }) => {
      const known = newest.get(range);
      if (!known || token > known.token) newest.set(range, { token, owner });
      if (known && token < known.token) return `range ${range}: token ${token} wrote after token ${known.token}`;
      if (known && token === known.token && owner !== known.owner)
        return `range ${range}: token ${token} belongs to ${String(known.owner)} and to ${String(owner)}`;
      return undefined;
    },
  );
}

function unfillable({ end }: History) {
  const listed = new Set(end.openUnfillable.map(({ table, key }) => `${table} ${key}`));
  const empty = Object.entries(end.rowsWithoutValue).flatMap(([table, keys]) => keys.map((key) => `${table} ${key}`));
  return both(
    each(empty, (name) => (listed.has(name) ? undefined : `${name} has no value and is not listed`)),
    each(end.openUnfillable, ({ table, key, reason }) =>
      empty.includes(`${table} ${key}`)
        ? undefined
        : `${table} ${key} is listed (${reason}) and has a value or is gone`,
    ),
  );
}

export const rowInvariants: readonly Invariant[] = [
  [
    'I1',
    'our statements change only the target column',
    ({ writes }) => each(writes, (write) => (write.otherChanged ? row(write) : undefined)),
  ],
  [
    'I2',
    'a value is never overwritten or taken away by us',
    ({ writes }) =>
      each(writes, (write) =>
        write.hadValue
          ? `${row(write)} had a value already`
          : write.hasValue
            ? undefined
            : `${row(write)} wrote no value`,
      ),
  ],
  [
    'I3',
    "a value of ours equals the rule on the statement's snapshot",
    (history) =>
      both(
        each(history.writes, (write) => (write.asRule ? undefined : row(write))),
        each(Object.entries(history.end.wrongRows), ([table, count]) =>
          count > 0 ? `${count} rows of ${table} disagree with the oracle at the end` : undefined,
        ),
      ),
  ],
  [
    'I4',
    'filled is counted exactly when a row was filled',
    ({ writes, end }) => ({
      judged: writes.length,
      witnesses:
        end.counted === writes.length ? [] : [`${end.counted} rows counted as filled, ${writes.length} rows were`],
    }),
  ],
  [
    'I5',
    'every row has a value or is listed as unfillable',
    ({ end }) => {
      const listed = new Set(end.openUnfillable.map(({ table, key }) => `${table} ${key}`));
      return each(Object.entries(end.rowsWithoutValue), ([table, keys]) => {
        const left = keys.filter((key) => !listed.has(`${table} ${key}`));
        return left.length === 0 ? undefined : `${left.length} rows of ${table}, the first ${left[0] ?? ''}`;
      });
    },
  ],
  ['I8', 'after pause is acknowledged no sweep write commits, after halt no fill at all', writesWhileStopped],
  ['I12', 'an unfillable row has one open entry, closed when it is filled', unfillable],
  ['I18', 'a write with a fencing token that is over never commits', fencing],
];
