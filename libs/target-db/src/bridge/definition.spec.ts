import { describe, expect, it } from 'vitest';
import type { CatalogTable, Ident, SqlExpression } from '@highwater/derivation';
import { migrationId } from '@highwater/kernel';
import { bridgeName, checkName, fitName, nullIndexName } from '../ddl/names.js';
import type { FillTarget } from '../target.js';
import { bridgeDefinition, dollarQuoted } from './definition.js';

const table = { relid: 4294967295, ident: 'public."Activity"' as Ident } as CatalogTable;
const target: FillTarget = {
  migrationId: migrationId('organization-to-workspace'),
  short: 'deadbeef',
  targetNo: 12,
  derivation: {
    table,
    key: [{ name: 'id', ident: 'id' as Ident, type: 'bigint' }],
    target: { name: 'workspaceId', ident: '"workspaceId"' as Ident, type: 'text' },
    expression: `(select p."orgId" from public."Group" as p where p.id = r."groupId")` as SqlExpression,
    reason: `null` as SqlExpression,
    branches: { expression: `0` as SqlExpression, labels: ['orgId'] },
    inputs: [],
    referentExists: `exists (select from public."Workspace" as w where w.id = v.value)` as SqlExpression,
  },
};

describe('bridge definition', () => {
  it('names everything within 63 bytes, the trigger after every name that begins with a letter, digit or underscore', () => {
    for (const name of [bridgeName(target), checkName(target), nullIndexName(target)])
      expect(name.length).toBeLessThanOrEqual(63);
    expect(bridgeName(target)).toBe('~hw_deadbeef_4294967295_bridge12');
    expect(['zzz', '_z', 'Z9', bridgeName(target)].sort().at(-1)).toBe(bridgeName(target));
  });

  it('cuts a name before its suffix, between characters, and keeps names apart that begin alike', () => {
    expect(fitName('ü'.repeat(40), '_77')).toMatch(/^ü{27}_[0-9a-f]{4}_77$/);
    expect(fitName('😀'.repeat(20), '_7')).toMatch(/^😀{14}_[0-9a-f]{4}_7$/u);
    expect(fitName(`${'a'.repeat(62)}1`, '_7')).not.toBe(fitName(`${'a'.repeat(62)}2`, '_7'));
    expect(fitName('short', '_7')).toBe('short_7');
  });

  it('assigns behind a block that lets only interventions and retryable classes through, with the rule over new alone', () => {
    const { createFunction, createTrigger, functionName } = bridgeDefinition(target, { mode: 'assign', reports: true });
    expect(createFunction).toMatch(/security definer\s+set search_path = pg_catalog, pg_temp/);
    expect(createFunction).toContain('from (select new.*) as r');
    expect(createFunction).toContain(`where v.value is null or (exists (select from public."Workspace"`);
    expect(createFunction).toContain('new."workspaceId" := hw_found.value;');
    expect(createFunction).toMatch(
      /when operator_intervention or transaction_rollback or lock_not_available then\s+raise;\s+when others then/,
    );
    expect(createFunction).not.toContain('row_security');
    expect(createTrigger).toBe(
      `create trigger "~hw_deadbeef_4294967295_bridge12" before insert or update on public."Activity"\n` +
        `  for each row when (new."workspaceId" is null) execute function ${functionName}()`,
    );
  });

  it('observes without assigning, and says nothing in a plan without a stream', () => {
    expect(bridgeDefinition(target, { mode: 'observe', reports: true }).createFunction).not.toContain(':=');
    expect(bridgeDefinition(target, { mode: 'assign', reports: false }).createFunction).not.toContain(
      'pg_logical_emit_message',
    );
  });

  it('carries another hash for another rule, mode or name', () => {
    const other = { ...target, derivation: { ...target.derivation, expression: 'null::text' as SqlExpression } };
    const comments = [
      bridgeDefinition(target, { mode: 'assign', reports: true }),
      bridgeDefinition(target, { mode: 'observe', reports: true }),
      bridgeDefinition(other, { mode: 'assign', reports: true }),
      bridgeDefinition({ ...target, targetNo: 1 }, { mode: 'assign', reports: true }),
    ].map((d) => d.comment);
    expect(new Set(comments).size).toBe(4);
    expect(comments[0]).toMatch(/^highwater organization-to-workspace [0-9a-f]{32}$/);
  });

  it('quotes a body that contains its own quote', () => {
    expect(dollarQuoted('a $highwater$ b')).toBe('$highwater1$a $highwater$ b$highwater1$');
  });
});
