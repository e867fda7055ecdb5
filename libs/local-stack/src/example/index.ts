// What the folders below examples/ build upon.
export { Random } from '../demo/application/random.js';
export { insert } from '../demo/application/rows.js';
export type { Row } from '../demo/application/rows.js';
export { defineExample } from './example.js';
export type { Accidents, BadRows, Desk, Effect, Example, Operation } from './example.js';
export { cuid, held, keep, times, transaction, untilThere } from './desk.js';
