import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, LockLimits, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Take back what the migration made and, by its journal, what it wrote. */
export class RollBackMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly input: LockLimits,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(RollBackMigration)
export class RollBackMigrationHandler implements ICommandHandler<RollBackMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, input, context }: RollBackMigration): Promise<Operation> {
    return this.control.rollback(id, input, context);
  }
}
