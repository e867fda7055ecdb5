import { z } from 'zod';
import type { EventType } from './events.js';
import { eventData, eventTypes } from './events.js';

type JsonObject = Readonly<Record<string, unknown>>;

/** `CutoverOutcomeUnknown` → `dev.highwater.migration.cutover-outcome-unknown.v1`, the CloudEvents type. */
export const cloudEventType = (type: EventType): string =>
  `dev.highwater.migration.${type.replace(/(?<!^)([A-Z])/g, '-$1').toLowerCase()}.v1`;

/**
 * JSON Schema (2020-12) of each event's data by CloudEvents type. Unknown keys stay allowed: v1 only ever grows, and a consumer that
 * validates with an older schema must not break.
 */
export function eventJsonSchemas(): Readonly<Record<string, JsonObject>> {
  return Object.fromEntries(
    eventTypes.map((type) => {
      const name = cloudEventType(type);
      const schema = z.toJSONSchema(eventData[type], { io: 'input' });
      return [name, { ...schema, $id: `${name}.schema.json`, title: type }];
    }),
  );
}

const headers = (ceType: string): JsonObject => ({
  type: 'object',
  required: ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time', 'ce_subject', 'ce_sequence', 'ce_actor'],
  properties: {
    ce_specversion: { const: '1.0' },
    ce_id: { type: 'string', description: 'stream/version: the same at every delivery, so deduplicate by it' },
    ce_source: { type: 'string' },
    ce_type: { const: ceType },
    ce_time: { type: 'string', format: 'date-time' },
    ce_subject: { type: 'string', description: 'migration id' },
    ce_sequence: { type: 'string', description: 'version in the stream, counts from 1 without a gap' },
    ce_actor: { type: 'string' },
    ce_operationid: { type: 'string' },
    ce_correlationid: { type: 'string' },
  },
});

/** The AsyncAPI 3 document of the event topic. `topic` carries the configured prefix. */
export function asyncApiDocument(topic = 'highwater.events', version = '1.0.0'): JsonObject {
  const schemas = eventJsonSchemas();
  const message = (type: EventType): JsonObject => ({
    name: cloudEventType(type),
    title: type,
    contentType: 'application/json',
    bindings: { kafka: { key: { type: 'string', description: 'migration id' }, bindingVersion: '0.5.0' } },
    headers: headers(cloudEventType(type)),
    payload: schemas[cloudEventType(type)],
  });
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Highwater migration events',
      version,
      description:
        'Every event of every migration as CloudEvents in Kafka binary mode: at least once, in order per migration, with stable ids. No row data.',
    },
    defaultContentType: 'application/json',
    channels: {
      events: {
        address: topic,
        messages: Object.fromEntries(eventTypes.map((type) => [type, { $ref: `#/components/messages/${type}` }])),
      },
    },
    operations: {
      publishEvents: { action: 'send', channel: { $ref: '#/channels/events' } },
    },
    components: { messages: Object.fromEntries(eventTypes.map((type) => [type, message(type)])) },
  };
}
