export * from './contiguous-ack.js';
export * from './hint.js';
export * from './in-flight.js';
export * from './look-pace.js';
export * from './partition-progress.js';
export * from './partition.js';
export * from './slot-difference.js';
export * from './stream-info.js';
