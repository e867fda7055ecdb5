import { Kafka, type KafkaMessage } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import { cloudEventRecord } from './cloud-event.js';

const event = {
  stream: 'organization-to-workspace',
  version: 7,
  type: 'dev.highwater.migration.sweep-completed.v1',
  at: '2026-09-05T10:00:00.123Z',
  actor: 'Zoë',
  operationId: 'op-1',
  data: { epoch: 1, filled: 10, unfillable: 0 },
};

describe('an event as CloudEvent in binary mode', () => {
  it('has the attributes as headers, the data alone as value and the migration as key', () => {
    expect(cloudEventRecord(event, '/highwater')).toEqual({
      key: 'organization-to-workspace',
      value: '{"epoch":1,"filled":10,"unfillable":0}',
      headers: {
        'content-type': 'application/json',
        ce_specversion: '1.0',
        ce_id: 'organization-to-workspace/7',
        ce_source: '/highwater',
        ce_type: 'dev.highwater.migration.sweep-completed.v1',
        ce_time: '2026-09-05T10:00:00.123Z',
        ce_subject: 'organization-to-workspace',
        ce_sequence: '7',
        ce_actor: 'Zoë',
        ce_operationid: 'op-1',
      },
    });
  });

  it('is read back by the CloudEvents library', () => {
    const { headers, value } = cloudEventRecord(event, '/highwater');
    const message: KafkaMessage = { headers, key: event.stream, value, body: value, timestamp: '0' };
    const read = Kafka.toEvent(message);
    expect(read).toMatchObject({ id: 'organization-to-workspace/7', sequence: '7', data: event.data });
  });
});
