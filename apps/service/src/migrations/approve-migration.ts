import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Give one approval of the cutover. */
export class ApproveMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(ApproveMigration)
export class ApproveMigrationHandler implements ICommandHandler<ApproveMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, context }: ApproveMigration): Promise<Operation> {
    return this.control.approve(id, context);
  }
}
