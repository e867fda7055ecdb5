import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, PlannedStep } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Every step of a migration with its SQL and its lock. */
export class ReadSteps extends Query<readonly PlannedStep[]> {
  constructor(readonly id: string) {
    super();
  }
}

@QueryHandler(ReadSteps)
export class ReadStepsHandler implements IQueryHandler<ReadSteps> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id }: ReadSteps): Promise<readonly PlannedStep[]> {
    return this.control.steps(id);
  }
}
