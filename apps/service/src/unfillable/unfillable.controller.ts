import { Body, Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { csv } from '@highwater/kernel';
import { unfillableColumns, unfillableCells, type Operation } from '@highwater/roles';
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
import { preferredForm } from '../http/preferred-form.js';
import { sendParts } from '../http/send-parts.js';
import { unfillableExportView, unfillableView } from '../http/views.js';
import { ExportUnfillable, ListUnfillable } from './list-unfillable.js';
import { RetryUnfillable } from './retry-unfillable.js';
import { exportForms } from './unfillable-forms.js';

const id = { schema: idParameter };

@ApiTags('migrations')
@Controller('migrations/:id/unfillable')
export class UnfillableController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
  ) {}

  @Get()
  @ApiProduces('application/json', 'text/csv')
  @Answer(
    'Rows that no pass could fill, by table and key: keys and reasons only; CSV when text/csv is accepted',
    unfillableView,
  )
  async list(
    @Param('id', id) migration: string,
    @Query({ schema: unfillableQuery }) page: z.output<typeof unfillableQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const list = await this.queries.execute(new ListUnfillable(migration, page));
    if (preferredForm(request, response, ['application/json', 'text/csv']) === 'text/csv')
      response.send(csv(unfillableColumns, list.rows.map(unfillableCells)));
    else response.json(list);
  }

  @Get('export')
  @ApiProduces('application/json', 'text/csv', 'application/x-ndjson')
  @Answer(
    'All of them, sent page by page, by table and key; CSV or one record a line when text/csv or application/x-ndjson is accepted',
    unfillableExportView,
  )
  async export(
    @Param('id', id) migration: string,
    @Query({ schema: unfillableExportQuery }) filter: z.output<typeof unfillableExportQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const pages = await this.queries.execute(new ExportUnfillable(migration, filter));
    const form = preferredForm(request, response, ['application/json', 'text/csv', 'application/x-ndjson']);
    await sendParts(response, exportForms[form](pages));
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
