import type { Access, Client } from '../session/database.js';

/**
 * Fills commit without waiting for the disk: a flush for each of them makes the application's own commits queue. So whoever records
 * elsewhere that a fill is done (an offset in Kafka, a fence's arrival) asks here first. One session is held open from before the first
 * fill until a flush that came after the last one; a server that crashed in between, and lost what was not on disk, has ended it.
 *
 *   idle ──enter──▶ watching ──flush, nothing under way or since──▶ idle
 *                      └── session ended ──▶ lost (for good: everything since the last flush is in doubt; `onLost`)
 *   any ──end──▶ over (for good: a fill that comes later is refused, or its session would be held by nobody who could give it back)
 *
 * Durable: nothing. A crash of ours leaves what was not recorded to be looked at again.
 */
export class CommitWitness {
  private session: Promise<Client> | undefined;
  private release: (() => void) | undefined;
  private under = 0;
  private done = 0;
  /** Why nothing is watched any more: the session ended, or whoever asked did. */
  private lost: Error | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly fill: Access,
    private readonly onLost: (why: string) => void,
  ) {}

  /** Runs a fill under watch. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.under += 1;
    try {
      await this.open();
      return await work();
    } finally {
      this.under -= 1;
      this.done += 1;
    }
  }

  /**
   * Returns when every fill that ended before the call is on disk (and at the server's synchronous standbys): a commit waits for WAL up to
   * itself, provided that its transaction wrote any; an id alone is not waited for. Throws when some fills may be lost.
   */
  flush(): Promise<void> {
    const next = this.flushing.then(() => this.flushNow());
    this.flushing = next.catch(() => undefined); // one at a time: the session takes one statement at a time
    return next;
  }

  private async flushNow(): Promise<void> {
    if (this.lost) throw this.lost;
    if (!this.session) return; // nothing since the last flush
    const { done } = this;
    const client = await this.session;
    await client.query(
      `begin; set local synchronous_commit = on; select pg_catalog.pg_logical_emit_message(true, 'highwater.flush', ''); commit`,
    );
    if (this.under === 0 && this.done === done) this.giveBack();
  }

  /** Gives the session back; nobody asks any more, and what was not flushed counts as lost. */
  end(): void {
    this.lost ??= new Error('the assignment that asked for the fill is over');
    this.giveBack();
  }

  private giveBack(): void {
    this.release?.();
    this.release = undefined;
    this.session = undefined;
  }

  private open(): Promise<Client> {
    if (this.lost) return Promise.reject(this.lost);
    this.session ??= new Promise<Client>((resolve, reject) => {
      const released = new Promise<undefined>((free) => (this.release = () => free(undefined)));
      let watching = false;
      const watch = async (client: Client): Promise<void> => {
        watching = true;
        let end: (error?: Error) => void = () => undefined;
        const ended = new Promise<Error>((resolveEnd) => {
          end = (error = new Error('connection terminated')) => resolveEnd(error);
        });
        client.once('error', end).once('end', end);
        resolve(client);
        const error = await Promise.race([ended, released]);
        client.off('error', end).off('end', end); // the pool lends it to others
        if (error) throw error;
      };
      // it is kept while the fills under watch ask for theirs
      this.fill.lasting.session('watching that fills reach the disk', watch).catch((error: unknown) => {
        reject(error as Error);
        if (watching) this.lose(error as Error);
        else this.session = undefined; // could not connect: nothing was filled, the next fill tries again
      });
    });
    return this.session;
  }

  private lose(error: Error): void {
    this.lost = error;
    this.onLost(error.message);
  }
}
