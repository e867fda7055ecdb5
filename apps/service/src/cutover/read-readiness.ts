import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, ReadinessView } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** The last evaluation of readiness; undefined: of the only live migration. */
export class ReadReadiness extends Query<ReadinessView> {
  constructor(readonly migration: string | undefined) {
    super();
  }
}

@QueryHandler(ReadReadiness)
export class ReadReadinessHandler implements IQueryHandler<ReadReadiness> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ migration }: ReadReadiness): Promise<ReadinessView> {
    return this.control.readiness(migration);
  }
}
