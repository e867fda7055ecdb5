import { both, each, type History, type Invariant, type Judged, type LoggedEvent } from './history.js';

// The migration's own history: I7, I15, I16, I21, I22, I23.

const named = (event: LoggedEvent): string => `${event.type} (version ${event.version})`;

function neverBackwards({ progress }: History): Judged {
  const best = new Map<string, number>();
  return each(progress, ({ counters }) => {
    const back = Object.entries(counters).filter(([name, value]) => value < (best.get(name) ?? 0));
    for (const [name, value] of Object.entries(counters)) best.set(name, Math.max(value, best.get(name) ?? 0));
    return back.length === 0
      ? undefined
      : back.map(([name, value]) => `${name} went back from ${best.get(name) ?? 0} to ${value}`).join(', ');
  });
}

function gapFree({ events, end }: History): Judged {
  return both(
    each(events, (event, i) => (event.version === i + 1 ? undefined : `${named(event)} stands at place ${i + 1}`)),
    each(events, (event, i) =>
      i > 0 && event.position <= (events[i - 1]?.position ?? 0) ? `${named(event)} has an older position` : undefined,
    ),
    each(end.historyChangesAllowed, (verb) => `${verb} of the events was let through`),
    {
      judged: 1,
      witnesses:
        end.phase === end.replayedPhase ? [] : [`stored phase ${end.phase}, replayed phase ${end.replayedPhase}`],
    },
  );
}

const tableOf = ({ data }: LoggedEvent): string => String(data['table']);

/** A guard before each enforcement, and the catalog says what the log says. */
function enforcedMeansEnforced({ events, end, plannedTables }: History): Judged {
  const enforced = new Set<string>();
  const guarded = new Set<string>();
  const order = each(events, (event) => {
    if (event.type === 'Guarded') guarded.add(tableOf(event));
    if (event.type === 'Unenforced') enforced.clear();
    if (event.type !== 'Enforced') return undefined;
    const twice = enforced.has(tableOf(event));
    enforced.add(tableOf(event));
    if (twice) return `${tableOf(event)} was enforced twice`;
    // whose `Guarded` was lost with its process finds the check in the catalog: the guard is in the DDL steps then
    const steps = (event.data['steps'] as { name: string }[] | undefined) ?? [];
    return guarded.has(tableOf(event)) || steps.some(({ name }) => name === 'guard')
      ? undefined
      : `${tableOf(event)} was enforced without a guard`;
  });
  const agrees = each(plannedTables, (table) => {
    const said = enforced.has(`public.${table}`);
    const is = end.notNull.includes(table);
    return said === is
      ? undefined
      : `${table}: log says ${said ? 'enforced' : 'open'}, catalog says ${is ? 'NOT NULL' : 'nullable'}`;
  });
  return both(order, agrees);
}

/** A fence of the epoch, written after the bridge, back through every partition before that moment. */
function readyWithFence(history: History): Judged {
  if (!history.stream) return { judged: 0, witnesses: [] };
  const { events, fences } = history;
  const proven = (event: LoggedEvent): boolean => {
    const before = events.filter(({ version }) => version < event.version);
    const opened = before.findLast(({ type }) => type === 'StreamOpened');
    const bridged = before.findLast(({ type }) => type === 'Bridged');
    return fences.some(
      ({ epoch, writtenAt, partitions, arrived, lastArrivalAt }) =>
        epoch === Number(opened?.data['epoch']) &&
        writtenAt >= (bridged?.at ?? Infinity) &&
        arrived >= partitions &&
        lastArrivalAt !== null &&
        lastArrivalAt <= event.at,
    );
  };
  return each(
    events.filter(({ type }) => type === 'BecameReady'),
    (event) => (proven(event) ? undefined : `${named(event)}: no fence had come back through every partition`),
  );
}

const readyMeansAll = ({ readiness }: History): Judged =>
  each(readiness, ({ ready, conditions, generation }) => {
    const unmet = conditions.filter(({ status }) => status !== 'True').map(({ type }) => type);
    if (ready && unmet.length > 0) return `generation ${generation} is ready with ${unmet.join(', ')} unmet`;
    return undefined;
  });

/** One operation is one command: no event of one type twice under it, except those that tables or rounds repeat. */
function onePerOperation({ events }: History): Judged {
  const seen = new Set<string>();
  const once = [
    'Paused',
    'Resumed',
    'Halted',
    'CutoverBegan',
    'Held',
    'Released',
    'Approved',
    'Unenforced',
    'Finished',
  ];
  return each(
    events.filter(({ operationId, type }) => operationId !== null && once.includes(type)),
    (event) => {
      const name = `${event.type} of operation ${event.operationId ?? ''}`;
      const twice = seen.has(name);
      seen.add(name);
      return twice ? `${name} twice` : undefined;
    },
  );
}

export const logInvariants: readonly Invariant[] = [
  ['I7', 'progress never goes backwards', neverBackwards],
  ['I15', 'the log is gap-free, append-only, and its replay is the stored state', gapFree],
  ['I16', 'enforced in the log is NOT NULL in the catalog, behind a guard', enforcedMeansEnforced],
  [
    'I21',
    'ready means all conditions at once, and a fence behind them',
    (history) => both(readyMeansAll(history), readyWithFence(history)),
  ],
  ['I22', 'a command is accepted once', onePerOperation],
  [
    'I23',
    'every event has an actor',
    ({ events }) => each(events, (event) => (event.actor === '' ? named(event) : undefined)),
  ],
];
