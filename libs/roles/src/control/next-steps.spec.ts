import { expect, it } from 'vitest';
import { nextSteps } from './next-steps.js';
import { readPlan } from './resolve.js';

const steps = (more: string): readonly string[] =>
  nextSteps(
    readPlan(`highwater: 1
migration: hub
tables:
  - { table: Insight, target: { column: workspaceId, type: text }, rule: { column: userId } }
  - { table: app.Log, target: { column: workspaceId, type: text }, notNull: false, rule: { column: userId } }
${more}`).parsed.plan,
  );

it('name what is required now, the restart, the export and the end, of columns that became NOT NULL alone', () => {
  expect(steps('')).toEqual([
    'generate anew what is made from the schema (Prisma: npx prisma generate): required by now are Insight.workspaceId',
    'deploy the version of the application that sets the columns itself, and restart it; until then the bridge does it for the old one',
    'highwater export hub --to prisma|knex|typeorm|sql: the migration for a fresh database, and the command that marks it as applied here',
    'highwater finish hub: once the old version is gone',
  ]);
});

it('promise no bridge where the plan has none', () => {
  expect(steps('cutover: { mode: strict }').join()).not.toContain('bridge');
});
