import type { KeyText, SweepRange } from './ranges.js';

/**
 * How a range of blocks is swept. PostgreSQL writes a changed row as a new one; on a full page it goes elsewhere, with an entry in every index. So the
 * rows of a page are not written at once but in rounds: the few of the first round leave the page, their places are reused by the next round (a row that
 * stays on its page needs no index entry), whose places are reused by the next. A stretch of blocks goes through all its rounds before the next one.
 *
 *   stretch 1: round 1 ─▶ round 2 ─▶ … ─▶ last round (whatever is left) ─▶ stretch 2: round 1 …
 *
 * Rows are told to rounds by a hash of their place, 0 … 1023. See docs/decisions/0004.
 */
export const places = 1024;

/** The first round fits into what index pages have free when they were built in order (10 %); more of them would split. */
const firstRoundPlaces = 90;
const roundsMax = 8;
/** Blocks that are all but empty are still read. */
const perBlockMin = 0.5;
/** With several workers a page's old versions go when the others' snapshots are younger: a chunk or two later. */
const chunksPerRound = 4;
/** A chunk takes the rest of its stretch along while it grows by less than this. */
const restTakenAlong = 1.35;
/** Below this the fixed price of a chunk weighs more than what rounds give. */
const chunkRowsMin = 2_500;

export interface BlockRange {
  /** First block. */
  readonly from: number;
  /** Behind the last block. */
  readonly to: number;
  readonly rowsPerBlock: number;
}

/** One chunk: the rows of one round in blocks `from` … `to` − 1. */
export interface BlockChunk {
  readonly from: number;
  readonly to: number;
  /** Places of this round; undefined in the last one, which takes whatever is left. */
  readonly window: { readonly from: number; readonly width: number } | undefined;
  /** About so many rows are to be written. */
  readonly rows: number;
  /** Inside the chunk, behind this key: it is being decided row by row. */
  readonly afterKey: KeyText | undefined;
  /** The cursor that names this chunk; a key behind it says how far the chunk is decided. */
  readonly here: KeyText;
  /** The cursor when the chunk is done; undefined: the range is done. */
  readonly next: KeyText | undefined;
}

/** Places at which the rounds end. Rows so wide that a page holds a few of them need as few rounds. */
export function roundEnds(rowsPerBlock: number): number[] {
  const rounds = Math.max(1, Math.min(roundsMax, Math.floor(rowsPerBlock / 2)));
  const first = Math.max(firstRoundPlaces, Math.floor(places / Math.max(1, rowsPerBlock)));
  return Array.from({ length: rounds }, (_, i) =>
    i === rounds - 1 ? places : Math.round(first + ((places - first) * i) / (rounds - 1)),
  );
}

/**
 * The next chunk of a range, about `wanted` rows; fewer where the range is so short that its rounds would follow too closely.
 *
 * @param cursor null: not begun.
 */
export function nextBlocks(range: BlockRange, cursor: KeyText | null, wanted: number, workers: number): BlockChunk {
  const ends = roundEnds(range.rowsPerBlock);
  const chunks = workers > 1 ? chunksPerRound : 1;
  const rangeRows = (range.to - range.from) * range.rowsPerBlock;
  const rows = Math.max(1, Math.min(wanted, Math.max(chunkRowsMin, rangeRows / (ends.length * chunks))));
  const begin = (from: number): At => ({ ...stretch(range, from, rows * ends.length * chunks), round: 0, block: from });
  const at = cursor === null ? begin(range.from) : parse(cursor);
  const from = at.round === 0 ? 0 : (ends[at.round - 1] ?? 0);
  const end = ends[at.round] ?? places;
  const last = end === places;
  const perBlock = Math.max(perBlockMin, (range.rowsPerBlock * (end - from)) / places);
  const blocks = Math.max(1, Math.ceil(rows / perBlock));
  // a round is a little more than what the chunks of its stretch were meant to take: no short chunk behind them, each pays the same price again
  const to = at.chunkTo ?? (at.stretchTo - at.block < blocks * restTakenAlong ? at.stretchTo : at.block + blocks);
  let next: At | undefined;
  if (to < at.stretchTo) next = { ...at, block: to };
  else if (!last) next = { ...at, round: at.round + 1, block: at.stretchFrom };
  else if (at.stretchTo < range.to) next = begin(at.stretchTo);
  return {
    from: at.block,
    to,
    window: last ? undefined : { from, width: end - from },
    rows: Math.max(1, Math.round((to - at.block) * perBlock)),
    afterKey: at.afterKey,
    here: [...print(at), String(to)],
    next: next && print(next),
  };
}

interface At {
  readonly stretchFrom: number;
  readonly stretchTo: number;
  readonly round: number;
  readonly block: number;
  readonly chunkTo?: number;
  readonly afterKey?: KeyText;
}

/** No short last stretch: its rounds would be too close together. */
function stretch(range: BlockRange, from: number, rows: number) {
  const blocks = Math.max(1, Math.ceil(rows / Math.max(perBlockMin, range.rowsPerBlock)));
  return { stretchFrom: from, stretchTo: range.to - from < blocks * 1.5 ? range.to : from + blocks };
}

const print = ({ stretchFrom, stretchTo, round, block }: At): string[] =>
  [stretchFrom, stretchTo, round, block].map(String);

function parse(cursor: KeyText): At {
  const [stretchFrom = 0, stretchTo = 0, round = 0, block = 0, chunkTo] = cursor.slice(0, 5).map(Number);
  const at = { stretchFrom, stretchTo, round, block };
  return chunkTo === undefined ? at : { ...at, chunkTo, afterKey: cursor.slice(5) };
}

/** Splits a table of so many blocks evenly; the bounds are block numbers, the upper one not included. */
export function splitBlocks(of: { blocks: number; count: number; rowsEstimated: number }): SweepRange[] {
  const count = Math.max(1, Math.min(of.count, of.blocks));
  const bound = (share: number, of: number): number => Math.floor((of * share) / count);
  return Array.from({ length: count }, (_, rangeNo) => ({
    rangeNo,
    lowerExclusive: [String(bound(rangeNo, of.blocks))],
    upperInclusive: [String(bound(rangeNo + 1, of.blocks))],
    rowsEstimated: bound(rangeNo + 1, of.rowsEstimated) - bound(rangeNo, of.rowsEstimated),
  }));
}
