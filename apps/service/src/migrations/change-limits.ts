import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Limits } from '@highwater/plan';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Change limits while the migration runs. */
export class ChangeLimits extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly limits: Partial<Limits>,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(ChangeLimits)
export class ChangeLimitsHandler implements ICommandHandler<ChangeLimits> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, limits, context }: ChangeLimits): Promise<Operation> {
    return this.control.setLimits(id, limits, context);
  }
}
