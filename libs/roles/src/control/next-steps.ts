import { formatTableName, type Plan } from '@highwater/plan';

/** What is the team's to do once NOT NULL stands, in order; none of it can be done by us. Pure. */
export function nextSteps({ migration, tables, cutover }: Plan): readonly string[] {
  const required = tables
    .filter(({ notNull }) => notNull)
    .map(({ table, target }) => `${formatTableName(table)}.${target.column}`);
  return [
    ...(required.length === 0
      ? []
      : [
          `generate anew what is made from the schema (Prisma: npx prisma generate): required by now are ${required.join(', ')}`,
        ]),
    `deploy the version of the application that sets the columns itself, and restart it${cutover.mode === 'bridge' ? '; until then the bridge does it for the old one' : ''}`,
    `highwater export ${migration} --to prisma|knex|typeorm|sql: the migration for a fresh database, and the command that marks it as applied here`,
    `highwater finish ${migration}: once the old version is gone`,
  ];
}

/** What a cutover answers that has succeeded, whoever finds that NOT NULL stands: the act itself, or who looks at the operation before it has said so. */
export const enforcedAnswer = (plan: Plan): { readonly phase: 'enforced'; readonly next: readonly string[] } => ({
  phase: 'enforced',
  next: nextSteps(plan),
});
