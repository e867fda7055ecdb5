export * from './event-publisher/event-publisher.js';
export * from './relay/relay.js';
export type { RelayLog } from './relay/relay-session.js';
