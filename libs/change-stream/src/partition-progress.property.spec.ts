import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionProgress } from './partition-progress.js';

describe('progress of a partition', () => {
  it('commits the contiguous prefix alone, whatever order the answers come in', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...Array(30).keys()], { minLength: 30 }),
        fc.nat(1000),
        fc.func(fc.nat(2)),
        (order, start, detour) => {
          const progress = new PartitionProgress(0);
          const offset = (i: number): bigint => BigInt(start + i);
          for (let i = 0; i < 30; i += 1) expect(progress.receive(offset(i))).toBe(true);
          const settled = new Set<number>();
          for (const i of order) {
            if (detour(i) === 1) progress.park(offset(i));
            if (detour(i) === 2) progress.contend(offset(i));
            progress.settle(offset(i));
            settled.add(i);
            let prefix = 0;
            while (settled.has(prefix)) prefix += 1;
            expect(progress.committable()).toBe(offset(prefix));
          }
          expect([progress.parkedCount, progress.contendedCount, progress.unsettledCount]).toEqual([0, 0, 0]);
        },
      ),
    );
  });

  it('holds the prefix at a parked hint, and answers what is delivered twice once', () => {
    const progress = new PartitionProgress(3);
    expect(progress.committable()).toBeUndefined();
    for (const offset of [7n, 8n, 9n]) progress.receive(offset);
    expect(progress.receive(8n)).toBe(false);
    progress.settle(7n);
    progress.park(8n);
    progress.settle(9n);
    expect(progress.committable()).toBe(8n);
    progress.settle(8n);
    progress.park(8n);
    expect([progress.committable(), progress.parkedCount]).toEqual([10n, 0]);
  });

  it('a fence is due when everything before it is settled, and holds the prefix until its arrival is stored', () => {
    const progress = new PartitionProgress(0);
    progress.receive(0n);
    progress.receive(1n, 'f-1');
    progress.receive(2n, 'f-2');
    expect(progress.dueFence()).toBeUndefined();
    progress.settle(0n);
    expect(progress.dueFence()).toEqual({ offset: 1n, token: 'f-1' });
    expect(progress.committable()).toBe(1n);
    progress.settle(1n);
    expect(progress.dueFence()).toEqual({ offset: 2n, token: 'f-2' });
    progress.settle(2n);
    expect([progress.dueFence(), progress.committable()]).toEqual([undefined, 3n]);
  });

  it('keeps nothing of what has its answer, however long the one before it is held', () => {
    const progress = new PartitionProgress(0);
    progress.receive(0n);
    progress.park(0n);
    for (let offset = 1n; offset <= 10_000n; offset += 1n) {
      progress.receive(offset);
      progress.settle(offset);
    }
    expect((progress as unknown as { entries: Map<bigint, unknown> }).entries.size).toBe(1);
    expect([progress.committable(), progress.receive(5n)]).toEqual([0n, false]);
    progress.settle(0n);
    expect(progress.committable()).toBe(10_001n);
  });

  it('pauses at its limit of parked and contended hints', () => {
    const progress = new PartitionProgress(0, 2);
    for (const offset of [0n, 1n]) progress.receive(offset);
    progress.park(0n);
    expect(progress.intake()).toBe('take');
    progress.contend(1n);
    expect(progress.intake()).toBe('pause');
    progress.settle(0n);
    expect(progress.intake()).toBe('take');
  });
});
