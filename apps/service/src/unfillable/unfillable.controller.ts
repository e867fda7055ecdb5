import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { csv, csvLines } from '@highwater/kernel';
import { unfillableColumns, unfillableCells, type Operation, type UnfillableRowView } from '@highwater/roles';
import type { z } from 'zod';
import { accepted, Answer, Mutation } from '../http/accepted.js';
import { Caller, withReason, type CallerContext } from '../http/caller.js';
import {
  idParameter,
  optionalReasonBody,
  unfillableExportQuery,
  unfillableFilter,
  unfillableQuery,
} from '../http/schemas.js';
import { unfillableView } from '../http/views.js';
import { ExportUnfillable, ListUnfillable } from './list-unfillable.js';
import { RetryUnfillable } from './retry-unfillable.js';

const id = { schema: idParameter };

async function* csvOf(pages: AsyncIterable<readonly UnfillableRowView[]>): AsyncGenerator<string> {
  yield csv(unfillableColumns, []);
  for await (const rows of pages) yield csvLines(rows.map(unfillableCells));
}

async function* jsonOf(pages: AsyncIterable<readonly UnfillableRowView[]>): AsyncGenerator<string> {
  let before = '{"rows":[';
  for await (const rows of pages)
    for (const row of rows) {
      yield before + JSON.stringify(row);
      before = ',';
    }
  yield before === ',' ? ']}' : `${before}]}`;
}

@ApiTags('migrations')
@Controller('migrations/:id/unfillable')
export class UnfillableController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  @Get()
  @ApiProduces('application/json', 'text/csv')
  @Answer('Rows that no pass could fill: keys and reasons only; CSV when text/csv is accepted', unfillableView)
  async list(
    @Param('id', id) migration: string,
    @Query({ schema: unfillableQuery }) page: z.output<typeof unfillableQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const rows = await this.queries.execute(new ListUnfillable(migration, page));
    response.setHeader('Cache-Control', 'no-store');
    if (request.accepts(['application/json', 'text/csv']) === 'text/csv')
      response.type('text/csv').send(csv(unfillableColumns, rows.map(unfillableCells)));
    else response.json({ rows });
  }

  @Get('export')
  @ApiProduces('application/json', 'text/csv')
  @Answer('All of them, sent page by page, by table and key; CSV when text/csv is accepted', unfillableView)
  async export(
    @Param('id', id) migration: string,
    @Query({ schema: unfillableExportQuery }) filter: z.output<typeof unfillableExportQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const pages = await this.queries.execute(new ExportUnfillable(migration, filter));
    const asCsv = request.accepts(['application/json', 'text/csv']) === 'text/csv';
    response.setHeader('Cache-Control', 'no-store');
    response.type(asCsv ? 'text/csv' : 'application/json');
    // an error after the first page ends the connection before the body is whole: no client takes half a list for the list
    await pipeline(Readable.from(asCsv ? csvOf(pages) : jsonOf(pages)), response);
  }

  @Post('retry')
  @Mutation('Derive and write the listed rows again: all, or those of a table or with a reason')
  async retry(
    @Param('id', id) migration: string,
    @Query({ schema: unfillableFilter }) filter: z.output<typeof unfillableFilter>,
    @Body({ schema: optionalReasonBody }) { reason }: z.output<typeof optionalReasonBody>,
    @Caller() caller: CallerContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Operation> {
    const command = new RetryUnfillable(migration, filter, withReason(caller, reason));
    return accepted(response, await this.commands.execute(command));
  }
}
