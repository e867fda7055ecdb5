export * from './catalog.js';
export * from './derivation.js';
