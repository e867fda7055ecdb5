import { HighwaterError } from '@highwater/kernel';
import { unknownEvent } from './codes.js';
import type { EventType, MigrationEvent } from './events.js';
import { eventData, metadataSchema } from './events.js';

/** An event as any store hands it back: type and data not yet checked. */
export interface RawEvent {
  readonly type: string;
  readonly at: string;
  readonly data: unknown;
  readonly metadata: unknown;
}

const isEventType = (type: string): type is EventType => Object.hasOwn(eventData, type);

/** Checks type, data and metadata of a stored event. Throws HW6101 and names the field, never its value. */
export function parseMigrationEvent(raw: RawEvent): MigrationEvent {
  if (!isEventType(raw.type)) {
    throw new HighwaterError(
      unknownEvent,
      'never',
      `event type "${raw.type}" is not known to this version; expected a migration event of format v1`,
      { type: raw.type },
      'run the version of highwater that wrote it, or a newer one',
    );
  }
  const data = eventData[raw.type].safeParse(raw.data);
  const metadata = metadataSchema.safeParse(raw.metadata);
  const issue = data.error?.issues[0] ?? metadata.error?.issues[0];
  if (!data.success || !metadata.success) {
    throw new HighwaterError(
      unknownEvent,
      'never',
      `event ${raw.type} has another shape than this version knows, at "${issue?.path.join('.') ?? ''}"`,
      { type: raw.type, path: issue?.path.join('.') ?? '' },
      'run the version of highwater that wrote it, or a newer one',
    );
  }
  return { type: raw.type, at: raw.at, metadata: metadata.data, data: data.data } as MigrationEvent;
}
