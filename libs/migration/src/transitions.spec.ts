import { isRefusal } from '@highwater/kernel';
import { describe, expect, it } from 'vitest';
import type { CommandType } from './commands.js';
import { decide } from './decide.js';
import { fold } from './evolve.js';
import { sample, stateIn } from './samples.js';
import { phases } from './state.js';
import type { Expected } from './transitions.js';
import { transitions } from './transitions.js';

const observed = (type: CommandType, phase: (typeof phases)[number]): Expected => {
  const state = stateIn(phase);
  const decision = decide(sample(type, state), state);
  if (isRefusal(decision)) return decision.refused === 'WrongPhase' ? 'x' : decision.refused;
  return decision.length === 0 ? '.' : '+';
};

describe('transition table', () => {
  it.each(phases)('the ordinary run reaches %s', (phase) => {
    expect(stateIn(phase).phase).toBe(phase);
  });

  it.each(Object.keys(transitions) as CommandType[])('%s in every phase', (type) => {
    expect(phases.map((phase) => observed(type, phase))).toEqual([...transitions[type]]);
  });

  it.each(Object.keys(transitions) as CommandType[])('%s asked twice yields no second event', (type) => {
    for (const phase of phases) {
      const state = stateIn(phase);
      const asked = sample(type, state);
      const first = decide(asked, state);
      if (isRefusal(first) || first.length === 0) continue;
      expect(decide(asked, fold(first, state)), phase).toEqual([]);
    }
  });
});
