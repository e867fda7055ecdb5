import { StandardSchemaValidationPipe } from '@nestjs/common';
import { BadRequest } from './problem.js';

/** Bodies and parameters are checked by the zod schema of their decorator; the OpenAPI document is made from the same one. */
export const validation = (): StandardSchemaValidationPipe =>
  new StandardSchemaValidationPipe({
    exceptionFactory: (issues) =>
      new BadRequest(
        issues.slice(0, 20).map(({ path, message }) => ({
          path: (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
          message,
        })),
      ),
  });
