import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lsn, zeroLsn, type Lsn } from '@highwater/kernel';
import { ContiguousAck, type OpenWork } from './contiguous-ack.js';

/** A transaction of `rows` hints, or a non-transactional message; the gap before it may be 0: commits can be adjacent. */
interface Sent {
  readonly kind: 'transaction' | 'message';
  readonly rows: number;
  readonly gap: number;
}
const sent = fc.record<Sent>({
  kind: fc.constantFrom('transaction', 'message'),
  rows: fc.integer({ min: 0, max: 4 }),
  gap: fc.integer({ min: 0, max: 2 }),
});

describe('contiguous acknowledgement', () => {
  it('never passes unstored work, never skips an adjacent commit, and ends at the last commit, in any order of answers', () => {
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (work, choices) => {
        const ack = new ContiguousAck();
        const open: { readonly item: OpenWork; left: number; readonly end: bigint }[] = [];
        const ends: bigint[] = [];
        let position = 100n;
        let acknowledged: Lsn = zeroLsn;
        const look = (): void => {
          const now = ack.acknowledgeable();
          const unstored = open.filter((entry) => entry.left > 0).map((entry) => entry.end);
          expect(now >= acknowledged).toBe(true);
          for (const end of unstored) expect(now < end).toBe(true);
          // exact: a commit's own end, or nothing yet
          expect(now === zeroLsn || ends.includes(now)).toBe(true);
          acknowledged = now;
        };
        const answer = (): void => {
          const waiting = open.filter((entry) => entry.left > 0);
          const one = waiting[(choices.next().value as number) % Math.max(1, waiting.length)];
          if (!one) return;
          one.left -= 1;
          one.item.outstanding -= 1;
          look();
        };
        for (const { kind, rows, gap } of work) {
          position += BigInt(gap) + 1n;
          const item = kind === 'transaction' ? ack.begin() : ack.message(lsn(position));
          item.outstanding += rows;
          open.push({ item, left: rows, end: position });
          ends.push(position);
          if (kind === 'transaction') {
            look(); // an open transaction is never acknowledged, whatever is stored
            ack.commit(lsn(position));
          }
          if ((choices.next().value as number) % 2 === 0) answer();
          look();
        }
        while (open.some((entry) => entry.left > 0)) answer();
        look();
        expect(acknowledged).toBe(ends.at(-1) ?? zeroLsn);
      }),
      { numRuns: 500 },
    );
  });

  it('takes a keepalive only with no transaction open and nothing in flight', () => {
    const ack = new ContiguousAck();
    ack.keepalive(lsn(5n));
    expect(ack.acknowledgeable()).toBe(5n);
    const first = ack.begin();
    first.outstanding = 1;
    ack.keepalive(lsn(50n));
    ack.commit(lsn(10n));
    ack.keepalive(lsn(50n));
    expect(ack.acknowledgeable()).toBe(5n);
    first.outstanding = 0;
    expect(ack.acknowledgeable()).toBe(10n);
    ack.keepalive(lsn(50n));
    expect(ack.acknowledgeable()).toBe(50n);
  });

  it('refuses an interleaving that the protocol does not have', () => {
    const ack = new ContiguousAck();
    ack.begin();
    expect(() => ack.begin()).toThrow('a transaction began inside another');
    expect(() => ack.message(lsn(1n))).toThrow('inside a transaction');
    ack.commit(lsn(2n));
    expect(() => ack.commit(lsn(3n))).toThrow('a commit without a begin');
  });
});
