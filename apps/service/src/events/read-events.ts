import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, StoredEventView } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Events of one migration after a version, in order. */
export class ReadEvents extends Query<readonly StoredEventView[]> {
  constructor(
    readonly id: string,
    readonly after: number,
    readonly limit: number,
  ) {
    super();
  }
}

@QueryHandler(ReadEvents)
export class ReadEventsHandler implements IQueryHandler<ReadEvents> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, after, limit }: ReadEvents): Promise<readonly StoredEventView[]> {
    return this.control.events(id, after, limit);
  }
}
