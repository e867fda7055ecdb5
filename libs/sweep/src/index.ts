export * from './backoff.js';
export * from './chunk-size.js';
export * from './progress.js';
export * from './ranges.js';
export * from './status-line.js';
export * from './throttle.js';
export * from './vacuum-pacing.js';
