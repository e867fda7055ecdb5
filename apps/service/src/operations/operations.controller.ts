import { Controller, Get, Inject, Param } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import { HighwaterError } from '@highwater/kernel';
import type { Operation } from '@highwater/roles';
import { Answer } from '../http/accepted.js';
import { httpCodes } from '../http/codes.js';
import { idParameter } from '../http/schemas.js';
import { operationView } from '../http/views.js';
import { ReadOperation } from './read-operation.js';

@ApiTags('operations')
@Controller('operations')
export class OperationsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get(':id')
  @Answer('What became of an accepted request', operationView)
  async show(@Param('id', { schema: idParameter }) id: string): Promise<Operation> {
    const operation = await this.queries.execute(new ReadOperation(id));
    if (operation) return operation;
    throw new HighwaterError(httpCodes.noOperation, 'never', `operation "${id}" does not exist`, { operation: id });
  }
}
