import { describe, expect, it } from 'vitest';
import { askAround } from './ask-around.js';

const raised = (code: string): Error => Object.assign(new Error('no'), { code });

describe('asking around those that the server refuses', () => {
  it('answers the others in their order and names each that is refused', async () => {
    const asked: number[][] = [];
    const { answers, refused } = await askAround([1, 2, 3, 4, 5, 6, 7, 8], (some) => {
      asked.push([...some]);
      return some.some((one) => one % 4 === 3) ? Promise.reject(raised('22023')) : Promise.resolve(some);
    });
    expect(answers).toEqual([1, 2, 4, 5, 6, 8]);
    expect(refused.map((one) => one.asked)).toEqual([3, 7]);
    expect(asked[0]).toHaveLength(8);
  });

  it('asks once where nothing is refused, and never about none', async () => {
    let asked = 0;
    const ask = (some: readonly number[]) => Promise.resolve(((asked += 1), some));
    expect(await askAround([1, 2, 3], ask)).toEqual({ answers: [1, 2, 3], refused: [] });
    expect(await askAround([], ask)).toEqual({ answers: [], refused: [] });
    expect(asked).toBe(1);
  });

  it('throws what would hit any of them alike', async () => {
    await expect(askAround([1, 2], () => Promise.reject(raised('42501')))).rejects.toThrow('no');
  });
});
