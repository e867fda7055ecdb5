import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** End a hold. */
export class ReleaseMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(ReleaseMigration)
export class ReleaseMigrationHandler implements ICommandHandler<ReleaseMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, context }: ReleaseMigration): Promise<Operation> {
    return this.control.release(id, context);
  }
}
