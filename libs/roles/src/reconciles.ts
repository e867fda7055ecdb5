import { messageOf } from '@highwater/kernel';

/**
 * At most one reconcile of each migration at a time. A round waits for none of them, so one that takes its time (a broker that swallows
 * connections) delays what is new in its own migration alone.
 */
export class Reconciles {
  private readonly underWay = new Map<string, Promise<void>>();
  /** Of the last one that ended, by migration. */
  private readonly failures = new Map<string, string>();

  /** What one failed of; it stays while that migration's next one is under way, of which nothing is known yet. */
  get failure(): string | null {
    const [first] = this.failures.values();
    return first ?? null;
  }

  /** Begins those that are not under way. `reconcile` answers what it failed of, null: of nothing. */
  begin<M extends { readonly id: string }>(
    migrations: readonly M[],
    reconcile: (migration: M) => Promise<string | null>,
  ): void {
    // nobody would ever take back the failure of one that is gone
    for (const id of this.failures.keys()) if (!migrations.some((one) => one.id === id)) this.failures.delete(id);
    for (const migration of migrations)
      if (!this.underWay.has(migration.id)) this.underWay.set(migration.id, this.follow(migration, reconcile));
  }

  /** Resolves once none is under way; whoever waits begins no more. */
  async ended(): Promise<void> {
    await Promise.all(this.underWay.values());
  }

  private async follow<M extends { readonly id: string }>(
    migration: M,
    reconcile: (migration: M) => Promise<string | null>,
  ): Promise<void> {
    const failure = await reconcile(migration).catch(messageOf);
    this.underWay.delete(migration.id);
    if (failure === null) this.failures.delete(migration.id);
    else this.failures.set(migration.id, failure);
  }
}
