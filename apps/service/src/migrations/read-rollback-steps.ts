import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, PlannedStep } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** What a rollback would do now, with statements and counts. */
export class ReadRollbackSteps extends Query<readonly PlannedStep[]> {
  constructor(readonly id: string) {
    super();
  }
}

@QueryHandler(ReadRollbackSteps)
export class ReadRollbackStepsHandler implements IQueryHandler<ReadRollbackSteps> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id }: ReadRollbackSteps): Promise<readonly PlannedStep[]> {
    return this.control.rollbackSteps(id);
  }
}
