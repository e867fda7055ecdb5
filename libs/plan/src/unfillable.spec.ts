import { describe, expect, it } from 'vitest';
import { entityPolicyOf, policyOf } from './unfillable.js';

describe('the policy of an unfillable row', () => {
  it.each([
    ['holds whatever shall become NOT NULL', { notNull: true }, 'hold'],
    ['leaves what may stay NULL', { notNull: false }, 'leaveNull'],
    ['holds all where the plan says so', { notNull: false, unfillable: 'hold' }, 'hold'],
    ['holds the reason that the plan names', { notNull: false, unfillable: { Ambiguous: 'hold' } }, 'hold'],
    ['leaves the reasons that it does not name', { notNull: false, unfillable: { InputNull: 'hold' } }, 'leaveNull'],
  ] as const)('%s', (_what, entry, policy) => {
    expect(policyOf(entry, 'Ambiguous')).toBe(policy);
  });
});

describe('the policy of a source without its entity', () => {
  it.each([
    ['holds where the plan says nothing', {}, 'hold'],
    ['leaves all where the plan says so', { unfillable: 'leaveNull' }, 'leaveNull'],
    ['leaves the reason that the plan names', { unfillable: { InputNull: 'leaveNull' } }, 'leaveNull'],
    ['holds the reasons that it does not name', { unfillable: { UniqueConflict: 'leaveNull' } }, 'hold'],
  ] as const)('%s', (_what, entity, policy) => {
    expect(entityPolicyOf(entity, 'InputNull')).toBe(policy);
  });
});
