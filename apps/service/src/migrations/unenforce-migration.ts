import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, LockLimits, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Drop NOT NULL again; the bridge stays. */
export class UnenforceMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly input: LockLimits,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(UnenforceMigration)
export class UnenforceMigrationHandler implements ICommandHandler<UnenforceMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, input, context }: UnenforceMigration): Promise<Operation> {
    return this.control.unenforce(id, input, context);
  }
}
