import { Body, Controller, Get, Inject, Param, Post, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { Operation, PlannedStep } from '@highwater/roles';
import type { z } from 'zod';
import { accepted, Answer, Mutation } from '../http/accepted.js';
import { Caller, withReason, type CallerContext } from '../http/caller.js';
import { cutoverBody, idParameter, lockLimits } from '../http/schemas.js';
import { stepsView } from '../http/views.js';
import { ReadRollbackSteps } from './read-rollback-steps.js';
import { RollBackMigration } from './roll-back-migration.js';

const id = { schema: idParameter };

@ApiTags('migrations')
@Controller('migrations/:id/rollback')
export class RollbackController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  @Get()
  @Answer('What a rollback would do now, with each statement and its counts', stepsView)
  async steps(@Param('id', id) migration: string): Promise<{ steps: readonly PlannedStep[] }> {
    return { steps: await this.queries.execute(new ReadRollbackSteps(migration)) };
  }

  @Post()
  @Mutation('Take back what the migration made and, by its journal, what it wrote')
  async rollback(
    @Param('id', id) migration: string,
    @Body({ schema: cutoverBody }) body: z.output<typeof cutoverBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    const command = new RollBackMigration(migration, lockLimits(body), withReason(caller, body.reason));
    return accepted(response, await this.commands.execute(command));
  }
}
