export const migration = 'organization-to-workspace';

/** The plan of the demo: the team's three tables, each rule by another way, their own index names. */
export const planSource = (windowSeconds: number): string => `highwater: 1
migration: ${migration}
defaults:
  key: [id]
  target: { column: workspaceId, type: text }
  references: { table: Workspace, onDelete: restrict }
tables:
  - table: Group
    rule: { column: orgId }
    indexes: { Group_workspaceId_idx: [workspaceId], Group_workspaceId_createdAt_idx: [workspaceId, createdAt] }
  - table: Activity
    rule: { firstOf: [ { via: groupId, then: { column: workspaceId } }, { via: groupId, then: { column: orgId } } ] }
    indexes: { Activity_workspaceId_status_idx: [workspaceId, status] }
  - table: Response
    rule: { firstOf: [ { via: activityId }, { via: groupId } ] }
    indexes: { Response_workspaceId_submittedAt_idx: [workspaceId, submittedAt] }
cutover: { mode: bridge, start: manual, window: ${windowSeconds}s }
limits: { lockBudget: 500ms, rowBudget: 200ms, lockAttempts: 8, sweepWorkers: 2 }
stream: { partitions: 4, retainedWal: 2GiB }
`;

/** What must be there at the end because the plan asked for it. */
export const plannedIndexes: readonly string[] = [...planSource(1).matchAll(/(\w+_idx):/g)].map(
  ([, name]) => name ?? '',
);
export const plannedTables = ['Group', 'Activity', 'Response'] as const;
