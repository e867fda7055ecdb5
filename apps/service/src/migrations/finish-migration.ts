import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Take down what is ours on the user's tables, slots, publications and topics. */
export class FinishMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly input: {
      readonly afterMs?: number;
      readonly bridgeUnused?: boolean;
      readonly withoutRowSecurity?: boolean;
    },
    readonly context: CommandContext,
  ) {
    super();
  }
}

@CommandHandler(FinishMigration)
export class FinishMigrationHandler implements ICommandHandler<FinishMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, input, context }: FinishMigration): Promise<Operation> {
    return this.control.finish(id, input, context);
  }
}
