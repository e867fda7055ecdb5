import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Postpone the cutover until release. */
export class HoldMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(HoldMigration)
export class HoldMigrationHandler implements ICommandHandler<HoldMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, context }: HoldMigration): Promise<Operation> {
    return this.control.hold(id, context);
  }
}
