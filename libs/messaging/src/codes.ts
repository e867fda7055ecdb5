/** Codes of the Kafka side of the stream; each doc comment is the text of the operator's page. */
export const messagingCodes = {
  /**
   * No broker answered. The message names the brokers tried. Check HIGHWATER_KAFKA_BROKERS, HIGHWATER_KAFKA_TLS and
   * HIGHWATER_KAFKA_SASL, and that the brokers' advertised listeners can be reached from here. Nothing is lost meanwhile: the
   * slot keeps the WAL.
   */
  unreachable: 'HW3101',
  /**
   * A topic of ours exists with another number of partitions than the plan asks for. Hints are spread and fences counted over the
   * partitions, so it is not adopted: delete the topic, or set `stream.partitions` to what is there.
   */
  otherPartitionCount: 'HW3102',
  /** SASL mechanism plain was asked for without TLS. Use TLS or a SCRAM mechanism. */
  plainPassword: 'HW3103',
  /**
   * The broker stored only a part of a batch, without an error. The relay sends all of it again. It happens when a topic lost
   * partitions: see the stream's state.
   */
  partlyStored: 'HW3104',
  /** The broker's answer about a topic could not be read. Kafka 2.8 or newer is needed, since older ones know no topic ids. */
  noTopicId: 'HW3105',
  /** A topic could not be created or deleted. The message carries the broker's own words. */
  topicRefused: 'HW3106',
} as const;
