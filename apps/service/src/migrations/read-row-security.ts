import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, RowSecurityReport } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** What row level security would show to whom. */
export class ReadRowSecurity extends Query<readonly RowSecurityReport[]> {
  constructor(readonly id: string) {
    super();
  }
}

@QueryHandler(ReadRowSecurity)
export class ReadRowSecurityHandler implements IQueryHandler<ReadRowSecurity> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id }: ReadRowSecurity): Promise<readonly RowSecurityReport[]> {
    return this.control.rowSecurity(id);
  }
}
