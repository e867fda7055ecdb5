import { CloudEvent, Kafka } from 'cloudevents';

/** One stored event on its way to the topic. `stream` is the migration id. */
export interface OutgoingEvent {
  readonly stream: string;
  readonly version: number;
  /** CloudEvents type, `dev.highwater.migration.<kebab-case>.v1`. */
  readonly type: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly actor: string;
  readonly operationId?: string;
  readonly correlationId?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventRecord {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * CloudEvents 1.0 in Kafka's binary content mode
 * (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md): attributes as `ce_` headers, the data
 * alone as value. `ce_id` is `stream/version`, the same at every delivery, so that consumers deduplicate by it.
 */
export function cloudEventRecord(event: OutgoingEvent, source: string): EventRecord {
  const message = Kafka.binary(
    new CloudEvent<unknown>({
      id: `${event.stream}/${event.version}`,
      source,
      type: event.type,
      time: event.at,
      subject: event.stream,
      sequence: String(event.version),
      actor: event.actor,
      ...(event.operationId === undefined ? {} : { operationid: event.operationId }),
      ...(event.correlationId === undefined ? {} : { correlationid: event.correlationId }),
      datacontenttype: 'application/json',
      data: event.data,
    }),
  );
  const headers = Object.entries(message.headers).flatMap(([name, value]): [string, string][] =>
    // content-type says it in binary mode
    typeof value === 'string' && name !== 'ce_datacontenttype' ? [[name, value]] : [],
  );
  return { key: event.stream, value: JSON.stringify(event.data), headers: Object.fromEntries(headers) };
}
