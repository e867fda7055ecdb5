import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { CommandContext, MigrationControl, Operation } from '@highwater/roles';
import { CONTROL } from '../tokens.js';

/** Give one approval, of the cutover or of row level security. */
export class ApproveMigration extends Command<Operation> {
  constructor(
    readonly id: string,
    readonly context: CommandContext,
    readonly input: { readonly rowSecurity?: boolean } = {},
  ) {
    super();
  }
}

@CommandHandler(ApproveMigration)
export class ApproveMigrationHandler implements ICommandHandler<ApproveMigration> {
  constructor(@Inject(CONTROL) private readonly control: MigrationControl) {}

  execute({ id, context, input }: ApproveMigration): Promise<Operation> {
    return this.control.approve(id, context, input);
  }
}
