import { Controller, Get, Header, Inject, NotFoundException } from '@nestjs/common';
import { ApiExcludeEndpoint } from '@nestjs/swagger';
import { asyncApiDocument } from '@highwater/migration';
import type { Engine, Settings } from '@highwater/roles';
import { metricsContentType, metricsText } from '@highwater/telemetry';
import { ENGINE, SETTINGS } from '../tokens.js';
import { Documents } from './documents.js';

@Controller()
export class DocumentsController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(Documents) private readonly documents: Documents,
  ) {}

  @Get('openapi.json')
  @ApiExcludeEndpoint()
  openApi(): object {
    if (!this.documents.openApi) throw new NotFoundException();
    return this.documents.openApi;
  }

  @Get('asyncapi.json')
  @ApiExcludeEndpoint()
  asyncApi(): object {
    return asyncApiDocument(`${this.settings.topicPrefix}.events`);
  }

  @Get('metrics')
  @ApiExcludeEndpoint()
  @Header('Content-Type', metricsContentType)
  metrics(): Promise<string> {
    return metricsText(this.engine.metrics);
  }
}
