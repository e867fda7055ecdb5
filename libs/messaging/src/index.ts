export * from './codes.js';
export * from './dead-letter-producer.js';
export * from './hint-consumer.js';
export * from './hint-producer.js';
export * from './offset-watch.js';
export * from './settings.js';
export * from './topics.js';
