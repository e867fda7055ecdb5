import { waitsText, type Engine } from '@highwater/roles';
import { patienceMs, withinLimit } from './stack.js';

/** Stops it; where that takes too long, the error says what it waits for. */
export const stopEngine = (engine: Engine): Promise<void> =>
  withinLimit('the engine to stop', engine.stop(), patienceMs, () => waitsText(engine.waitsFor()));
