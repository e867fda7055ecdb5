import { workspaceSchema } from './least-privilege.js';

/** Two targets on one table. */
export const twoTargetsSchema = workspaceSchema.replace('title text)', 'title text, note text, "orgId" text)');
/** The same, with a key that is no replica identity. */
export const withoutIdentity = `${twoTargetsSchema}; alter table "Activity" replica identity nothing`;
export const twoTargets = (plan: string): string =>
  plan.replace(
    'cutover:',
    `  - table: Activity
    target: { column: orgId, type: text }
    references: none
    rule: { via: groupId, then: { column: orgId } }
cutover:`,
  );
