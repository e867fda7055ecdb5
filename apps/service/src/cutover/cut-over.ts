import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, CutoverInput, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** The bounded switch: prove, guard, validate, enforce. */
export class CutOver extends Command<Operation> {
  constructor(
    readonly migration: string | undefined,
    readonly input: CutoverInput,
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(CutOver)
export class CutOverHandler implements ICommandHandler<CutOver> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ migration, input, context }: CutOver): Promise<Operation> {
    return this.control.cutover(migration, input, context);
  }
}
