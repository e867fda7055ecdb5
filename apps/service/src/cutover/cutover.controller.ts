import { Body, Controller, Get, Inject, Headers, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { HighwaterError } from '@highwater/kernel';
import type { Operation, ReadinessView } from '@highwater/roles';
import type { z } from 'zod';
import { accepted, Answer, Mutation } from '../http/accepted.js';
import { Caller, Generation, withReason, type CallerContext } from '../http/caller.js';
import { httpCodes } from '../http/codes.js';
import { HeldRequests } from '../http/held-requests.js';
import { cutoverBody, lockLimits, migrationQuery, waitQuery } from '../http/schemas.js';
import { readinessView } from '../http/views.js';
import { awaitReadiness } from './await-readiness.js';
import { CutOver } from './cut-over.js';
import { ReadReadiness } from './read-readiness.js';

const migration = { schema: migrationQuery };

@ApiTags('cutover')
@Controller('cutover')
export class CutoverController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(HeldRequests) private readonly held: HeldRequests,
  ) {}

  /** 200 whenever it could be evaluated, ready or not; `?wait=30s` waits for another generation than `If-None-Match`, or for ready; 304 when that did not come. */
  @Get('readiness')
  @Answer('Readiness: conditions, each with evidence', readinessView)
  async readiness(
    @Query('migration', migration) id: string | undefined,
    @Query('wait', { schema: waitQuery }) waitMs: number | undefined,
    @Headers('if-none-match') noneMatch: string | undefined,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ReadinessView> {
    const ask = (): Promise<ReadinessView> => this.queries.execute(new ReadReadiness(id));
    const seen = noneMatch?.replace(/^W\//, '').replaceAll('"', '');
    const readiness =
      waitMs === undefined
        ? await ask()
        : await this.held.hold(request, (signal) => awaitReadiness(ask, seen, waitMs, signal));
    response.setHeader('ETag', `"${readiness.generation}"`);
    response.setHeader('Cache-Control', 'no-store');
    return readiness;
  }

  /** For scripts and probes that read the status alone: 200 when ready, 503 when not. */
  @Get('readiness/probe')
  @Answer('200 when ready, 503 when not', readinessView)
  async probe(
    @Query('migration', migration) id: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ReadinessView> {
    const readiness = await this.queries.execute(new ReadReadiness(id));
    response.setHeader('Cache-Control', 'no-store');
    if (!readiness.ready) response.status(503);
    return readiness;
  }

  @Post()
  @ApiHeader({ name: 'If-Match', required: true, description: 'The generation of the readiness that was seen.' })
  @Mutation('Prove, guard, validate and enforce NOT NULL')
  async cutover(
    @Query('migration', migration) id: string | undefined,
    @Body({ schema: cutoverBody }) body: z.output<typeof cutoverBody>,
    @Generation() generation: string | undefined,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    if (generation === undefined) throw noGeneration();
    const input = { generation, ...lockLimits(body) };
    return accepted(response, await this.commands.execute(new CutOver(id, input, withReason(caller, body.reason))));
  }
}

const noGeneration = (): HighwaterError =>
  new HighwaterError(
    httpCodes.noGeneration,
    'never',
    'a cutover needs the If-Match header; it is missing',
    {},
    'read GET /cutover/readiness and send its generation as If-Match',
  );
