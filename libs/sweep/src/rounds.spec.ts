import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextBlocks, places, roundEnds, splitBlocks, type BlockChunk, type BlockRange } from './rounds.js';
import { afterShape, freshShape, nextShape } from './shape.js';

function walk(range: BlockRange, rows: () => number, workers: number): BlockChunk[] {
  const chunks: BlockChunk[] = [];
  for (let cursor: readonly string[] | null = null; ;) {
    const chunk = nextBlocks(range, cursor, rows(), workers);
    chunks.push(chunk);
    if (chunk.next === undefined) return chunks;
    if (chunks.length > 200_000) throw new Error('no end');
    cursor = chunk.next;
  }
}

describe('rounds', () => {
  it('begin with what index pages have free, and end with all places', () => {
    expect(roundEnds(60)).toEqual([90, 223, 357, 490, 624, 757, 891, 1024]);
    expect(roundEnds(7)).toEqual([146, 585, 1024]);
    expect(roundEnds(1)).toEqual([1024]);
    expect(roundEnds(0)).toEqual([1024]);
  });

  it('take each place of each block once, in any chunk sizes, and whatever is left last', () => {
    fc.assert(
      fc.property(
        fc.record({ from: fc.integer({ min: 0, max: 1_000 }), blocks: fc.integer({ min: 1, max: 300 }), rowsPerBlock: fc.double({ min: 0, max: 291, noNaN: true }) }), // prettier-ignore
        fc.integer({ min: 1, max: 3 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 20_000 })),
        ({ from, blocks, rowsPerBlock }, workers, sizes) => {
          const range = { from, to: from + blocks, rowsPerBlock };
          const taken = new Map<number, number>();
          const finished = new Set<number>();
          for (const chunk of walk(range, () => sizes.next().value ?? 1, workers))
            for (let block = chunk.from; block < chunk.to; block += 1) {
              const [at, width] = chunk.window ? [chunk.window.from, chunk.window.width] : [taken.get(block) ?? 0, places - (taken.get(block) ?? 0)]; // prettier-ignore
              expect(taken.get(block) ?? 0).toBe(at);
              taken.set(block, at + width);
              expect(finished.has(block)).toBe(false);
              if (!chunk.window) finished.add(block);
            }
          expect(finished.size).toBe(blocks);
          expect([...taken.values()].every((until) => until === places)).toBe(true);
        },
      ),
      { seed: 4 },
    );
  });

  it('know where they are inside a chunk that is decided row by row', () => {
    const range = { from: 0, to: 1_000, rowsPerBlock: 50 };
    const second = nextBlocks(range, nextBlocks(range, null, 500, 1).next ?? null, 500, 1);
    const inside = nextBlocks(range, [...second.here, 'a key', '7'], 1, 1);
    expect(inside).toMatchObject({ from: second.from, to: second.to, window: second.window, afterKey: ['a key', '7'] });
    expect(inside.next).toEqual(second.next);
  });

  it('of a table split at its blocks cover it', () => {
    const ranges = splitBlocks({ blocks: 10, count: 3, rowsEstimated: 100 });
    expect(ranges.map((range) => [range.lowerExclusive?.[0], range.upperInclusive?.[0], range.rowsEstimated])).toEqual([
      ['0', '3', 33],
      ['3', '6', 33],
      ['6', '10', 34],
    ]);
    expect(splitBlocks({ blocks: 2, count: 8, rowsEstimated: 9 })).toHaveLength(2);
  });
});

describe('the shape of a chunk', () => {
  it('is one snapshot until that is in vain, then lock first for twice as many chunks each time, up to a limit', () => {
    let memory = freshShape;
    const spared: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      memory = afterShape(memory, { tried: nextShape(memory), inVain: true });
      let chunks = 0;
      for (; nextShape(memory) === 'lockFirst'; chunks += 1)
        memory = afterShape(memory, { tried: 'lockFirst', inVain: false });
      spared.push(chunks);
    }
    expect(spared).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64]);
    expect(afterShape(memory, { tried: 'oneSnapshot', inVain: false })).toEqual(freshShape);
  });
});
