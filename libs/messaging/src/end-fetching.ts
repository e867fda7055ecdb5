import { PartitionAssigners, type Cluster, type PartitionAssigner } from 'kafkajs';

/**
 * A consumer of kafkajs (2.2.4) that is stopped while it makes its fetchers anew, because a broker came or went, starts the new ones all the same.
 * Nobody stops those, and each asks in a circle without ever giving the event loop its turn: no timer and no signal of the process is heard again.
 * What has no brokers makes no fetchers, so a consumer is stopped without any.
 */
export class FetchEnd {
  private cluster: Cluster | undefined;

  /** The assigner that is the default; the documented way to a consumer's cluster is its argument. */
  readonly assigner: PartitionAssigner = (config) => {
    this.cluster = config.cluster;
    return PartitionAssigners.roundRobin(config);
  };

  /** Before the consumer is stopped; it does not fetch again. */
  end(): void {
    if (this.cluster) Object.assign(this.cluster, { getNodeIds: () => [] });
  }
}
