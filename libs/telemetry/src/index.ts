export * from './failpoints.js';
export * from './heap.js';
export * from './logger.js';
export * from './metrics.js';
export * from './redact.js';
