import { Controller, Get, Inject, Headers, Param, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiHeader, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import { Answer } from '../http/accepted.js';
import { HeldRequests } from '../http/held-requests.js';
import { BadRequest } from '../http/problem.js';
import { eventsQuery, idParameter } from '../http/schemas.js';
import { eventsView } from '../http/views.js';
import { writeEventStream } from './event-stream.js';
import { ReadEvents } from './read-events.js';

@ApiTags('migrations')
@Controller('migrations/:id/events')
export class EventsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(HeldRequests) private readonly held: HeldRequests,
  ) {}

  @Get()
  @ApiProduces('application/json', 'text/event-stream')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Version of the last event that was seen.' })
  @Answer('Events of one migration: JSON, or server-sent events when text/event-stream is accepted', eventsView)
  async events(
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: eventsQuery }) query: z.output<typeof eventsQuery>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const read = (after: number, limit: number) => this.queries.execute(new ReadEvents(id, after, limit));
    if (request.accepts(['application/json', 'text/event-stream']) !== 'text/event-stream') {
      response.setHeader('Cache-Control', 'no-store').json({ events: await read(query.after, query.limit) });
      return;
    }
    const after = lastEventId === undefined ? query.after : versionOf(lastEventId);
    await this.held.hold(request, (signal) => writeEventStream(response, read, after, signal));
  }
}

function versionOf(lastEventId: string): number {
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  throw new BadRequest([{ path: 'Last-Event-ID', message: 'expected the version of an event' }]);
}
