/** What control stored when it opened the stream; the relay compares the servers with it. JSON of `highwater.migration.stream`. */
export interface StreamInfo {
  readonly epoch: number;
  readonly slot: string;
  readonly publication: string;
  readonly publicationOid: number;
  /** Canonical text of `publicationFacts`. */
  readonly publicationDefinition: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly deadLetterTopic: string;
  /** Decimal text; the server's `system_identifier`. */
  readonly systemIdentifier: string;
}

/** Why a stream is broken for good: only a new epoch repairs it. */
export const streamBreaks = [
  'SlotMissing',
  'SlotLost',
  'SlotAdvanced',
  'PublicationMissing',
  'PublicationChanged',
  'TopicMissing',
  'TopicRecreated',
  'PartitionsChanged',
  'OffsetsLost',
  'OtherServer',
  'HistoryChanged',
  'DecodingFailed',
] as const;
export type StreamBreak = (typeof streamBreaks)[number];

export interface BrokenStream {
  readonly reason: StreamBreak;
  /** One sentence: what was expected, what was found. */
  readonly message: string;
}

export interface PublicationState {
  readonly oid: number;
  readonly definition: string;
}
export interface TopicState {
  readonly topicId: string;
  readonly partitions: number;
}

/** Compares what is there now with what the stream was opened on; undefined when both are as they were. */
export function streamDifference(
  stream: StreamInfo,
  publication: PublicationState | undefined,
  topic: TopicState | undefined,
): BrokenStream | undefined {
  if (!publication)
    return {
      reason: 'PublicationMissing',
      message: `publication ${stream.publication} does not exist; changes since it was dropped were not sent`,
    };
  if (publication.oid !== stream.publicationOid)
    return {
      reason: 'PublicationChanged',
      message: `publication ${stream.publication} was dropped and created again (oid ${publication.oid}, expected ${stream.publicationOid})`,
    };
  if (publication.definition !== stream.publicationDefinition)
    return {
      reason: 'PublicationChanged',
      message: `publication ${stream.publication} was altered: found "${publication.definition}", expected "${stream.publicationDefinition}"`,
    };
  if (!topic) return { reason: 'TopicMissing', message: `topic ${stream.topic} does not exist; its hints are gone` };
  if (topic.topicId !== stream.topicId)
    return {
      reason: 'TopicRecreated',
      message: `topic ${stream.topic} was created again (id ${topic.topicId}, expected ${stream.topicId})`,
    };
  if (topic.partitions !== stream.partitions)
    return {
      reason: 'PartitionsChanged',
      message: `topic ${stream.topic} has ${topic.partitions} partitions, expected ${stream.partitions}`,
    };
  return undefined;
}
