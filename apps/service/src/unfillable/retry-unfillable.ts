import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation, UnfillableFilter } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Derive and write the listed rows again. */
export class RetryUnfillable extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly filter: UnfillableFilter,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(RetryUnfillable)
export class RetryUnfillableHandler implements ICommandHandler<RetryUnfillable> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, filter, context }: RetryUnfillable): Promise<Operation> {
    return this.control.retryUnfillable(id, filter, context);
  }
}
