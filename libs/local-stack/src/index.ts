export { codes } from './codes.js';
export { startKafka } from './kafka.js';
export type { KafkaBroker, KafkaOptions } from './kafka.js';
export { startPostgres } from './postgres.js';
export type { PostgresOptions, PostgresServer } from './postgres.js';
export { postgresTemplate } from './postgres-template.js';
export type { PostgresTemplate } from './postgres-template.js';
export { fetchedFolder } from './postgres-binaries.js';
export type { PostgresBinaries, PostgresMajor } from './postgres-binaries.js';
