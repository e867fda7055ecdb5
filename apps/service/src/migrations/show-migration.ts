import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, MigrationStatusView } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Status of one migration, as last measured. */
export class ShowMigration extends Query<MigrationStatusView> {
  constructor(readonly id: string) {
    super();
  }
}

@QueryHandler(ShowMigration)
export class ShowMigrationHandler implements IQueryHandler<ShowMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id }: ShowMigration): Promise<MigrationStatusView> {
    return this.control.get(id);
  }
}
