export { CommandRunner } from './command-runner.js';
export type { CommandRunnerOptions, Ran } from './command-runner.js';
export { eventStoreSessionsMax } from './connection.js';
export type { EventStoreSettings } from './connection.js';
export { EventStore, eventStore, openEventStore } from './event-store.js';
export type { Checkpoint } from './event-store.js';
export type { AppendResult, CommandKey, NewEvent, StoredEvent } from './stored-event.js';
export * from './codes.js';
