import { waitsText, type Engine } from '@highwater/roles';
import { withinLimit } from './stack.js';

/** Stops it; where that takes longer than a minute, the error says what it waits for. */
export const stopEngine = (engine: Engine): Promise<void> =>
  withinLimit('the engine to stop', engine.stop(), 60_000, () => waitsText(engine.waitsFor()));
