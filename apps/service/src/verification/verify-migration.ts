import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Compare every stored value with what its rule gives now. */
export class VerifyMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(VerifyMigration)
export class VerifyMigrationHandler implements ICommandHandler<VerifyMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, context }: VerifyMigration): Promise<Operation> {
    return this.control.verify(id, context);
  }
}
