import { Body, Controller, Get, Inject, Param, Post, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { Operation, PlannedStep, RowSecurityReport } from '@highwater/roles';
import type { z } from 'zod';
import { accepted, Answer, Mutation } from '../http/accepted.js';
import { Caller, withReason, type CallerContext } from '../http/caller.js';
import { approveBody, cutoverBody, idParameter, lockLimits, reasonBody } from '../http/schemas.js';
import { rowSecurityView, stepsView } from '../http/views.js';
import { ApproveMigration } from './approve-migration.js';
import { HoldMigration } from './hold-migration.js';
import { ReadRowSecurity } from './read-row-security.js';
import { ReadSteps } from './read-steps.js';
import { ReleaseMigration } from './release-migration.js';
import { UnenforceMigration } from './unenforce-migration.js';

type Reason = z.output<typeof reasonBody>;
const id = { schema: idParameter };

/** Who may say no, yes and "take it back" to a cutover; the cutover itself is `POST /cutover`. */
@ApiTags('migrations')
@Controller('migrations/:id')
export class CutoverConsentController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  @Get('steps')
  @Answer('Every step with its SQL and its lock, as the catalog is now', stepsView)
  async steps(@Param('id', id) migration: string): Promise<{ steps: readonly PlannedStep[] }> {
    return { steps: await this.queries.execute(new ReadSteps(migration)) };
  }

  @Get('row-security')
  @Answer('What each tenant would see under the row level security of the plan, and whom it restricts', rowSecurityView)
  async rowSecurity(@Param('id', id) migration: string): Promise<{ tables: readonly RowSecurityReport[] }> {
    return { tables: await this.queries.execute(new ReadRowSecurity(migration)) };
  }

  @Post('hold')
  @Mutation('Postpone the cutover, also one that starts by itself, until release')
  async hold(
    @Param('id', id) migration: string,
    @Body({ schema: reasonBody }) { reason }: Reason,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new HoldMigration(migration, withReason(caller, reason))));
  }

  @Post('release')
  @Mutation('End a hold')
  async release(
    @Param('id', id) migration: string,
    @Body({ schema: reasonBody }) { reason }: Reason,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new ReleaseMigration(migration, withReason(caller, reason))));
  }

  @Post('approve')
  @Mutation('Give one approval; a plan may ask for several, of different people')
  async approve(
    @Param('id', id) migration: string,
    @Body({ schema: approveBody }) { reason, rowSecurity }: z.output<typeof approveBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    const of = rowSecurity === undefined ? {} : { rowSecurity };
    const command = new ApproveMigration(migration, withReason(caller, reason), of);
    return accepted(response, await this.commands.execute(command));
  }

  @Post('unenforce')
  @Mutation('Drop NOT NULL again by bounded attempts; the bridge stays')
  async unenforce(
    @Param('id', id) migration: string,
    @Body({ schema: cutoverBody }) body: z.output<typeof cutoverBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    const command = new UnenforceMigration(migration, lockLimits(body), withReason(caller, body.reason));
    return accepted(response, await this.commands.execute(command));
  }
}
