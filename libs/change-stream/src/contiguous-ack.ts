import { zeroLsn, type Lsn } from '@highwater/kernel';

/** One transaction, or one non-transactional message (a transaction of zero length), between its first byte and its acknowledgement. */
export interface OpenWork {
  /** Hints sent and not yet acknowledged by Kafka, or effects not yet committed. */
  outstanding: number;
  /** Undefined while the transaction is open. */
  endLsn: Lsn | undefined;
}

/**
 * Which position may be acknowledged to PostgreSQL: the exact end LSN of the last commit of the contiguous prefix of commits whose
 * every hint is stored. Commits arrive in LSN order and never interleave (protocol version 1), so a queue is enough. Rows of one
 * COPY share an LSN, so nothing here looks at the position of a row.
 */
export class ContiguousAck {
  private readonly queue: OpenWork[] = [];
  private head = 0;
  private position: Lsn = zeroLsn;
  private open: OpenWork | undefined;

  /** A transaction begins. Throws when one is open: the protocol does not interleave. */
  begin(): OpenWork {
    if (this.open) throw new Error('invariant broken: a transaction began inside another');
    this.open = { outstanding: 0, endLsn: undefined };
    this.queue.push(this.open);
    return this.open;
  }

  /** The commit of the open transaction, with the position right after it. */
  commit(endLsn: Lsn): void {
    if (!this.open) throw new Error('invariant broken: a commit without a begin');
    this.open.endLsn = endLsn;
    this.open = undefined;
  }

  /** A message outside any transaction: a transaction of zero length at its own position. */
  message(lsn: Lsn): OpenWork {
    if (this.open) throw new Error('invariant broken: a non-transactional message inside a transaction');
    const work: OpenWork = { outstanding: 0, endLsn: lsn };
    this.queue.push(work);
    return work;
  }

  /** The transaction whose changes are arriving. */
  current(): OpenWork | undefined {
    return this.open;
  }

  /**
   * The server has sent everything below `walEnd`. That may be acknowledged only when no transaction is open and nothing is in
   * flight; otherwise it is forgotten, and the next keepalive says it again.
   */
  keepalive(walEnd: Lsn): void {
    if (this.acknowledgeable() < walEnd && this.idle) this.position = walEnd;
  }

  /** No transaction open, nothing in flight. */
  get idle(): boolean {
    return this.head === this.queue.length;
  }

  /** Position that may be acknowledged now; never goes back. */
  acknowledgeable(): Lsn {
    for (;;) {
      const first = this.queue[this.head];
      if (!first || first.endLsn === undefined || first.outstanding > 0) break;
      if (first.endLsn > this.position) this.position = first.endLsn;
      this.head += 1;
    }
    if (this.head > 1_024 && this.head * 2 > this.queue.length) {
      this.queue.splice(0, this.head);
      this.head = 0;
    }
    return this.position;
  }
}
