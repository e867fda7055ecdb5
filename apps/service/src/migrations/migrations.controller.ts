import { Body, Controller, Get, Inject, Param, Patch, Post, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { MigrationStatusView, MigrationSummary, Operation } from '@highwater/roles';
import type { z } from 'zod';
import { accepted, Answer, Mutation } from '../http/accepted.js';
import { Caller, withReason, type CallerContext } from '../http/caller.js';
import { finishBody, idParameter, limitsBody, optionalReasonBody, planBody, reasonBody } from '../http/schemas.js';
import { statusView, summariesView } from '../http/views.js';
import { ChangeLimits } from './change-limits.js';
import { FinishMigration } from './finish-migration.js';
import { HaltMigration } from './halt-migration.js';
import { limitsOf } from './limits.js';
import { ListMigrations } from './list-migrations.js';
import { PauseMigration } from './pause-migration.js';
import { PlanMigration } from './plan-migration.js';
import { PreflightMigration } from './preflight-migration.js';
import { ResumeMigration } from './resume-migration.js';
import { ShowMigration } from './show-migration.js';
import { StartMigration } from './start-migration.js';

type Reason = z.output<typeof optionalReasonBody>;
const id = { schema: idParameter };

@ApiTags('migrations')
@Controller('migrations')
export class MigrationsController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  @Post()
  @ApiConsumes('application/yaml', 'application/json')
  @Mutation('Accept a plan')
  async plan(
    @Body({ schema: planBody }) source: string,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new PlanMigration(source, caller)));
  }

  @Get()
  @Answer('Every migration', summariesView)
  async list(): Promise<{ migrations: readonly MigrationSummary[] }> {
    return { migrations: await this.queries.execute(new ListMigrations()) };
  }

  @Get(':id')
  @Answer('Status of one migration, as last measured', statusView)
  show(@Param('id', id) migration: string): Promise<MigrationStatusView> {
    return this.queries.execute(new ShowMigration(migration));
  }

  @Post(':id/preflight')
  @Mutation('Check what the migration needs before it may start')
  async preflight(
    @Param('id', id) migration: string,
    @Body({ schema: optionalReasonBody }) { reason }: Reason,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(
      response,
      await this.commands.execute(new PreflightMigration(migration, withReason(caller, reason))),
    );
  }

  @Post(':id/start')
  @Mutation('Begin: expand, stream, sweep and everything up to ready')
  async start(
    @Param('id', id) migration: string,
    @Body({ schema: optionalReasonBody }) { reason }: Reason,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new StartMigration(migration, withReason(caller, reason))));
  }

  @Post(':id/pause')
  @Mutation('Stop the sweep; the live fill goes on')
  async pause(
    @Param('id', id) migration: string,
    @Body({ schema: optionalReasonBody }) { reason }: Reason,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new PauseMigration(migration, withReason(caller, reason))));
  }

  @Post(':id/resume')
  @Mutation('Go on after a pause or a halt')
  async resume(
    @Param('id', id) migration: string,
    @Body({ schema: optionalReasonBody }) { reason }: Reason,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new ResumeMigration(migration, withReason(caller, reason))));
  }

  @Post(':id/halt')
  @Mutation('Stop every fill')
  async halt(
    @Param('id', id) migration: string,
    @Body({ schema: reasonBody }) { reason }: z.output<typeof reasonBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new HaltMigration(migration, withReason(caller, reason))));
  }

  @Post(':id/finish')
  @Mutation('Take down what is ours on tables, slots, publications and topics')
  async finish(
    @Param('id', id) migration: string,
    @Body({ schema: finishBody })
    { after, bridgeUnused, withoutRowSecurity, reason }: z.output<typeof finishBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    const input = {
      ...(after === undefined ? {} : { afterMs: after }),
      ...(bridgeUnused === undefined ? {} : { bridgeUnused }),
      ...(withoutRowSecurity === undefined ? {} : { withoutRowSecurity }),
    };
    return accepted(
      response,
      await this.commands.execute(new FinishMigration(migration, input, withReason(caller, reason))),
    );
  }

  @Patch(':id/limits')
  @Mutation('Change limits while it runs')
  async limits(
    @Param('id', id) migration: string,
    @Body({ schema: limitsBody }) { reason, ...limits }: z.output<typeof limitsBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(
      response,
      await this.commands.execute(new ChangeLimits(migration, limitsOf(limits), withReason(caller, reason))),
    );
  }
}
