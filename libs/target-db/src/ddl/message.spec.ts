import { describe, expect, it } from 'vitest';
import type { Ident } from '@highwater/derivation';
import { migrationId } from '@highwater/kernel';
import { ddlMessage, type DdlStep } from './message.js';

const step: DdlStep = {
  migrationId: migrationId('m'),
  targetNo: 0,
  name: 'guard',
  table: 'public.t' as Ident,
  lock: ['public.t' as Ident],
  lockMode: 'ACCESS EXCLUSIVE',
  relids: [1],
  statements: ['alter table public.t a', 'alter table public.t b'],
};

describe('ddl message', () => {
  it('is one transaction that sets its limits first, locks once, and shrinks the deadline before each statement', () => {
    const lines = ddlMessage(step, 500, 2).split(';\n');
    expect(lines.slice(0, 4)).toEqual([
      'begin isolation level read committed',
      'set local lock_timeout = 500',
      'set local statement_timeout = 500',
      'lock table public.t in access exclusive mode',
    ]);
    const at = lines.indexOf('alter table public.t a');
    expect(lines[at - 1]).toMatch(/set_config\('statement_timeout', greatest\(20, 500 - /);
    expect(lines[lines.indexOf('alter table public.t b') - 1]).toBe(lines[at - 1]);
    expect(lines.at(-1)).toBe('commit');
    expect(lines.filter((line) => line === 'commit')).toHaveLength(1);
  });

  it('never has an unlimited timeout: zero would mean none', () => {
    expect(ddlMessage(step, 0, 1)).toContain('set local lock_timeout = 20;');
    expect(ddlMessage(step, 0.4, 1)).not.toMatch(/timeout = 0/);
  });

  it('refuses a step name or migration id that could end a literal', () => {
    expect(() => ddlMessage({ ...step, name: `x'` }, 1, 1)).toThrow(/invariant/);
    expect(() => ddlMessage({ ...step, migrationId: `m'` as DdlStep['migrationId'] }, 1, 1)).toThrow(/invariant/);
  });
});
