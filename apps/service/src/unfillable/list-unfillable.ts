import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, Page, UnfillableFilter, UnfillableRowView } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Rows that have no value, or whose write was refused; keys and reasons only. */
export class ListUnfillable extends Query<readonly UnfillableRowView[]> {
  constructor(
    readonly id: string,
    readonly page: Page & UnfillableFilter,
  ) {
    super();
  }
}

@QueryHandler(ListUnfillable)
export class ListUnfillableHandler implements IQueryHandler<ListUnfillable> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, page }: ListUnfillable): Promise<readonly UnfillableRowView[]> {
    return this.control.unfillable(id, page);
  }
}
