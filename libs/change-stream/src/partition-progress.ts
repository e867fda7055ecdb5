/**
 * What a filler knows about one assigned partition, from its first delivered offset on. In memory only: after a crash or a
 * rebalance everything not committed is delivered again, and every effect is idempotent.
 *
 *   received ──settle──▶ settled ──(prefix)──▶ committable
 *      │  ▲
 *      ├──┴ park / contend: judged again later; holds the prefix
 *      └─ fence: due when every earlier offset is settled; settled by the caller once its arrival is stored
 */
type HintState = 'received' | 'parked' | 'contended' | 'fence';

/** Above this a partition takes no more hints until some are settled: a transaction held open must not grow memory. */
export const parkedMaxDefault = 10_000;

export interface DueFence {
  readonly offset: bigint;
  readonly token: string;
}

interface Entry {
  state: HintState;
  token?: string;
}

export class PartitionProgress {
  /** Unsettled offsets alone, in the order of delivery (ascending): one that is held for hours must not keep all that come behind it in memory. */
  private readonly entries = new Map<bigint, Entry>();
  private last = -1n;
  private parked = 0;
  private contended = 0;

  constructor(
    readonly partition: number,
    readonly parkedMax: number = parkedMaxDefault,
  ) {}

  /** A delivered record. False when it was delivered before (its answer is known or on the way): do not judge it twice. */
  receive(offset: bigint, fenceToken?: string): boolean {
    if (offset <= this.last) return false;
    this.last = offset;
    this.entries.set(offset, fenceToken === undefined ? { state: 'received' } : { state: 'fence', token: fenceToken });
    return true;
  }

  /** Final: filled, already, gone, unfillable, contended for good, dead letter, or a fence whose arrival is stored. */
  settle(offset: bigint): void {
    this.move(offset, undefined);
  }

  /** Its transaction is not visible yet. */
  park(offset: bigint): void {
    this.move(offset, 'parked');
  }

  /** Somebody holds the row; tried again a bounded number of times. */
  contend(offset: bigint): void {
    this.move(offset, 'contended');
  }

  /** The next offset to commit: everything below it is settled. Undefined until anything was delivered. */
  committable(): bigint | undefined {
    const [first] = this.entries.keys();
    return first ?? (this.last < 0n ? undefined : this.last + 1n);
  }

  /** The fence at the head of what is unsettled: everything before it has its answer. Store the arrival, then `settle` it. */
  dueFence(): DueFence | undefined {
    const head = this.entries.entries().next();
    if (head.done) return undefined;
    const [offset, entry] = head.value;
    return entry.state === 'fence' && entry.token !== undefined ? { offset, token: entry.token } : undefined;
  }

  /** `pause` while too many are parked or contended: the caller pauses the partition until it says `take`. */
  intake(): 'take' | 'pause' {
    return this.parked + this.contended >= this.parkedMax ? 'pause' : 'take';
  }

  get parkedCount(): number {
    return this.parked;
  }

  get contendedCount(): number {
    return this.contended;
  }

  /** Delivered and without a final answer, fences included. */
  get unsettledCount(): number {
    return this.entries.size;
  }

  /** `state` undefined: settled. */
  private move(offset: bigint, state: HintState | undefined): void {
    const entry = this.entries.get(offset);
    if (!entry) return; // settled twice is harmless: a redelivered hint was answered before
    if (entry.state === 'parked') this.parked -= 1;
    if (entry.state === 'contended') this.contended -= 1;
    if (state === undefined) this.entries.delete(offset);
    else entry.state = state;
    if (state === 'parked') this.parked += 1;
    if (state === 'contended') this.contended += 1;
  }
}
