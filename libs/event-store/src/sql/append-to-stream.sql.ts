import type { CommandKey, NewEvent } from '../stored-event.js';

/**
 * One statement, so one implicit transaction and one message: a client that freezes holds nothing.
 * The row lock on event_head orders all appends; positions are taken under it, so position order is commit order and visibility order.
 * A writer that waited for that lock still counts versions by its older snapshot: the primary key then refuses its insert (23505).
 */
export const appendToStreamText = `
with head as (
  update highwater.event_head set position = position + $3::bigint
   where (select coalesce(max(version), 0) from highwater.event where stream_id = $1::text) = $2::bigint
  returning position
), accepted as (
  insert into highwater.command (command_id, stream_id, request_hash, result)
  select $8::text, $1::text, $9::text, jsonb_build_object('version', $2::bigint + $3::bigint)
    from head where $8::text is not null
), stored as (
  insert into highwater.event (stream_id, version, position, type, data, metadata, at)
  select $1::text, $2::bigint + e.no, head.position - $3::bigint + e.no, e.type, e.data, e.metadata, e.at
    from head,
         unnest($4::text[], $5::jsonb[], $6::jsonb[], $7::timestamptz[]) with ordinality as e (type, data, metadata, at, no)
)
select $2::bigint + $3::bigint as version from head`;

export const appendToStream = (
  stream: string,
  expectedVersion: number,
  events: readonly NewEvent[],
  command: CommandKey | undefined,
): { text: string; values: unknown[] } => ({
  text: appendToStreamText,
  values: [
    stream,
    expectedVersion,
    events.length,
    events.map((event) => event.type),
    events.map((event) => JSON.stringify(event.data)),
    events.map((event) => JSON.stringify(event.metadata)),
    events.map((event) => event.at),
    command?.commandId ?? null,
    command?.requestHash ?? null,
  ],
});
