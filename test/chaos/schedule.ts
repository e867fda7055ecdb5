// When what happens: pure, so that a seed alone repeats it.

export const faultNames = [
  'freeze',
  'terminate sessions',
  'restart PostgreSQL fast',
  'restart PostgreSQL immediate',
  'restart Kafka fast',
  'kill Kafka',
  'drop slot',
  'advance slot',
  'drop publication',
  're-create publication',
  'delete topic',
  'pause and resume',
  'halt and resume',
  'repeat hints',
  'forge hints',
  'long transaction',
  'mass delete',
] as const;
export type FaultName = (typeof faultNames)[number];

/** They belong to the time before the cutover: afterwards nothing asks the stream any more, or the operator's verb is refused. */
const early: ReadonlySet<FaultName> = new Set<FaultName>([
  'drop slot',
  'advance slot',
  'drop publication',
  're-create publication',
  'delete topic',
  'pause and resume',
  'halt and resume',
  'repeat hints',
  'forge hints',
]);
/** Share of the time after which the cutover is asked for. */
const cutoverShare = 0.7;

export interface Schedule {
  readonly seed: number;
  readonly cutoverAtMs: number;
  readonly endAtMs: number;
  /** Moments of the kills. */
  readonly kills: readonly number[];
  readonly faults: readonly { readonly atMs: number; readonly name: FaultName }[];
}

/** Seeded numbers in [0, 1). */
export function randoms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Every kind of fault once before any comes twice; each at a random moment of its share of the time. */
export function schedule(seed: number, minutes: number, kills: number, faults: number): Schedule {
  const random = randoms(seed);
  const endAtMs = minutes * 60_000;
  const cutoverAtMs = endAtMs * cutoverShare;
  const names: FaultName[] = [];
  while (names.length < faults) names.push(...shuffled([...faultNames], random).slice(0, faults - names.length));
  const at = (from: number, to: number): number => Math.round(from + random() * (to - from));
  const byTime = <T>(items: T[], time: (item: T) => number): T[] => items.sort((a, b) => time(a) - time(b));
  return {
    seed,
    cutoverAtMs,
    endAtMs,
    kills: byTime(
      Array.from({ length: kills }, (_, i) => at((i / kills) * endAtMs, ((i + 1) / kills) * endAtMs)),
      (moment) => moment,
    ),
    faults: byTime(
      names.map((name) => ({ name, atMs: at(0, early.has(name) ? cutoverAtMs * 0.9 : endAtMs) })),
      ({ atMs }) => atMs,
    ),
  };
}

export function shuffled<T>(items: T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
