import { Body, Controller, Get, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { Operation, VerificationView } from '@highwater/roles';
import type { z } from 'zod';
import { accepted, Answer, Mutation } from '../http/accepted.js';
import { Caller, withReason, type CallerContext } from '../http/caller.js';
import { idParameter, optionalReasonBody, verificationQuery } from '../http/schemas.js';
import { verificationView } from '../http/views.js';
import { VerifyMigration } from './verify-migration.js';
import { ReadVerification } from './read-verification.js';

const id = { schema: idParameter };

@ApiTags('migrations')
@Controller('migrations/:id')
export class VerificationController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  @Get('verification')
  @Answer('The last verification, the one under way, and the keys of the mismatches', verificationView)
  show(
    @Param('id', id) migration: string,
    @Query({ schema: verificationQuery }) page: z.output<typeof verificationQuery>,
  ): Promise<VerificationView> {
    return this.queries.execute(new ReadVerification(migration, page));
  }

  @Post('verify')
  @Mutation('Compare every stored value with what its rule gives now')
  async verify(
    @Param('id', id) migration: string,
    @Body({ schema: optionalReasonBody }) { reason }: z.output<typeof optionalReasonBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    return accepted(response, await this.commands.execute(new VerifyMigration(migration, withReason(caller, reason))));
  }
}
