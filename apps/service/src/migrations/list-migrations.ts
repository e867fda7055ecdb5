import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, MigrationSummary } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Every migration registered in the database. */
export class ListMigrations extends Query<readonly MigrationSummary[]> {}

@QueryHandler(ListMigrations)
export class ListMigrationsHandler implements IQueryHandler<ListMigrations> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute(): Promise<readonly MigrationSummary[]> {
    return this.control.list();
  }
}
