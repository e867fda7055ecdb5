import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Check what the migration needs before it may start. */
export class PreflightMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(PreflightMigration)
export class PreflightMigrationHandler implements ICommandHandler<PreflightMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, context }: PreflightMigration): Promise<Operation> {
    return this.control.preflight(id, context);
  }
}
