import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type {
  MigrationControl,
  Page,
  UnfillableListFilter,
  UnfillableListView,
  UnfillableRowView,
} from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Rows that have no value, or whose write was refused; keys and reasons only. */
export class ListUnfillable extends Query<UnfillableListView> {
  constructor(
    readonly id: string,
    readonly page: Page & UnfillableListFilter,
  ) {
    super();
  }
}

@QueryHandler(ListUnfillable)
export class ListUnfillableHandler implements IQueryHandler<ListUnfillable> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, page }: ListUnfillable): Promise<UnfillableListView> {
    return this.control.unfillable(id, page);
  }
}

/** The same without an end: page after page, for an export. */
export class ExportUnfillable extends Query<AsyncIterable<readonly UnfillableRowView[]>> {
  constructor(
    readonly id: string,
    readonly filter: UnfillableListFilter,
  ) {
    super();
  }
}

@QueryHandler(ExportUnfillable)
export class ExportUnfillableHandler implements IQueryHandler<ExportUnfillable> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, filter }: ExportUnfillable): Promise<AsyncIterable<readonly UnfillableRowView[]>> {
    return this.control.unfillablePages(id, filter);
  }
}
