import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { ForecastView } from '@highwater/roles';
import type { z } from 'zod';
import { Answer } from '../http/accepted.js';
import { forecastQuery, idParameter } from '../http/schemas.js';
import { forecastView } from '../http/forecast-view.js';
import { ReadForecast } from './read-forecast.js';

@ApiTags('migrations')
@Controller('migrations/:id')
export class ForecastController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('forecast')
  @Answer('What will become of every row; once started, what was foreseen beside what became of it', forecastView)
  show(
    @Param('id', { schema: idParameter }) migration: string,
    @Query({ schema: forecastQuery }) filter: z.output<typeof forecastQuery>,
  ): Promise<ForecastView> {
    return this.queries.execute(new ReadForecast(migration, filter));
  }
}
