import type { LiveMigration } from '@highwater/migration';
import type { Plan, PlannedEntity, TableName } from '@highwater/plan';
import { readPlan } from './resolve.js';

/** An entity as lists name it: by its number in the plan, without a look at the catalog. */
export interface NamedEntity {
  readonly table: string;
  readonly from: string;
  readonly createdBy: PlannedEntity['createdBy'];
}

/** Tables as the catalog names them. */
export const entitiesOf = ({ entities }: Pick<Plan, 'entities'>): NamedEntity[] =>
  entities.map(({ table, from, createdBy }) => ({ table: nameOf(table), from: nameOf(from), createdBy }));

/** Of the plan as it was accepted. */
export const plannedEntities = ({ planSource }: Pick<LiveMigration, 'planSource'>): NamedEntity[] =>
  entitiesOf(readPlan(planSource).parsed.plan);

const nameOf = ({ schema = 'public', name }: TableName): string => `${schema}.${name}`;
