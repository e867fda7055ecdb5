import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Accept a plan; `source` is its YAML text. */
export class PlanMigration extends Command<Operation> {
  constructor(
    readonly source: string,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(PlanMigration)
export class PlanMigrationHandler implements ICommandHandler<PlanMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ source, context }: PlanMigration): Promise<Operation> {
    return this.control.plan(source, context);
  }
}
