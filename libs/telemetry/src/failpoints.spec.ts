import { describe, expect, it } from 'vitest';
import { failpoint, parseFailpoints } from './failpoints.js';

describe('failpoints', () => {
  it('are read from one line, each with the hit at which it acts', () => {
    expect(parseFailpoints('cutover.afterBegan=kill; finish.afterSlot=pause@3')).toEqual([
      { name: 'cutover.afterBegan', action: 'kill', hit: 1 },
      { name: 'finish.afterSlot', action: 'pause', hit: 3 },
    ]);
  });

  it.each(['cutover.afterBegun=kill', 'cutover.afterBegan=throw', 'cutover.afterBegan', 'cutover.afterBegan=kill@0'])(
    'refuse what they cannot carry out: %s',
    (text) => expect(parseFailpoints(text)).toBeUndefined(),
  );

  it('do nothing unless armed', async () => {
    await failpoint('cutover.afterBegan');
    expect(process.pid).toBeGreaterThan(0); // still here
  });
});
