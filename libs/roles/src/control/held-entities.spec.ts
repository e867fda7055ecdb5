import { describe, expect, it } from 'vitest';
import { looksWantedAfter, noLooks, type HeldLooks } from './held-entities.js';

const list = { entityNo: 0, reasons: ['UniqueConflict'], after: ['o9'] };
const under: HeldLooks = { ...noLooks, lists: [list] };

describe('when listed sources are looked at again', () => {
  it('goes on at once while all of them can be closed, and with a twentieth of the time where none can', () => {
    const at = (closed: number): number => looksWantedAfter(under, { now: 5_000, tookMs: 1_000, looked: 100, closed }).dueAtMs; // prettier-ignore
    expect([100, 50, 0].map(at)).toEqual([5_000, 15_000, 25_000]);
    expect(looksWantedAfter(under, { now: 0, tookMs: 9, looked: 0, closed: 0 }).lists).toEqual([list]);
  });

  it('rests for no longer than 20 s after a look that took long', () => {
    const round = { now: 0, tookMs: 5_000, looked: 100, closed: 0 };
    expect(looksWantedAfter(under, round).dueAtMs).toBe(20_000);
    expect(looksWantedAfter(noLooks, round).dueAtMs).toBe(20_000);
  });

  it('begins anew after a pause that grows while look after look finds nothing', () => {
    let looks = noLooks;
    const pauses: number[] = [];
    for (let n = 0; n < 30; n += 1) {
      looks = looksWantedAfter({ ...looks, lists: [] }, { now: 0, tookMs: 1, looked: 5, closed: 0 });
      pauses.push(looks.pauseMs);
    }
    expect(pauses[0]).toBe(2_000);
    expect(pauses.at(-1)).toBe(60_000);
    const found = looksWantedAfter({ ...looks, closed: 1 }, { now: 0, tookMs: 1, looked: 5, closed: 0 });
    expect(found).toMatchObject({ pauseMs: 2_000, dueAtMs: 2_000, closed: 0 });
    expect(looksWantedAfter(looks, { now: 0, tookMs: 1, looked: 0, closed: 0 }).pauseMs).toBe(2_000);
  });
});
