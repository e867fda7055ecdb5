import { applyDecorators, HttpCode } from '@nestjs/common';
import { ApiAcceptedResponse, ApiDefaultResponse, ApiHeader, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { Response } from 'express';
import type { Operation } from '@highwater/roles';
import type { z } from 'zod';
import { operationView, problemView } from './views.js';

/** 202 with the operation and where to follow it. */
export function accepted(response: Response, operation: Operation): Operation {
  response.setHeader('Location', `/operations/${operation.id}`);
  return operation;
}

const refusal = ApiDefaultResponse({
  description: 'RFC 9457 problem (application/problem+json)',
  standardSchema: problemView,
});

/** A route that changes something: what OpenAPI says of each, and its status. */
export const Mutation = (summary: string): MethodDecorator =>
  applyDecorators(
    HttpCode(202),
    ApiOperation({ summary }),
    ApiHeader({
      name: 'Highwater-Actor',
      required: false,
      description: 'Who asks; default: the user of the operating system.',
    }),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'The same key and request give the same operation.',
    }),
    ApiAcceptedResponse({ standardSchema: operationView, description: 'Accepted; follow Location.' }),
    refusal,
  );

/** A route that only answers. */
export const Answer = (summary: string, standardSchema: z.ZodType): MethodDecorator =>
  applyDecorators(HttpCode(200), ApiOperation({ summary }), ApiOkResponse({ standardSchema }), refusal);
