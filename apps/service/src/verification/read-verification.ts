import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, Page, TableFilter, VerificationView } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** The last verification, the one under way, and the keys of mismatches. */
export class ReadVerification extends Query<VerificationView> {
  constructor(
    readonly id: string,
    readonly page: Page & TableFilter,
  ) {
    super();
  }
}

@QueryHandler(ReadVerification)
export class ReadVerificationHandler implements IQueryHandler<ReadVerification> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, page }: ReadVerification): Promise<VerificationView> {
    return this.control.verification(id, page);
  }
}
