import { Inject } from '@nestjs/common';
import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import type { MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** An accepted request and what became of it. */
export class ReadOperation extends Query<Operation | undefined> {
  constructor(readonly id: string) {
    super();
  }
}

@QueryHandler(ReadOperation)
export class ReadOperationHandler implements IQueryHandler<ReadOperation> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id }: ReadOperation): Promise<Operation | undefined> {
    return this.control.operation(id);
  }
}
