import { randomUUID } from 'node:crypto';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Logger } from '@highwater/telemetry';
import { logged } from './problem-log.js';
import { problemOf } from './problem.js';

/** The one place where an error becomes an answer: problem+json for each, also for the framework's own. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const problem = problemOf(thrown, `urn:uuid:${randomUUID()}`);
    const fields = {
      instance: problem.instance,
      code: problem.code,
      status: problem.status,
      method: request.method,
      path: request.path,
    };
    const { level, message } = logged(problem, thrown);
    this.logger[level](level === 'error' ? { ...fields, err: thrown } : fields, message);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (problem.status === 503) response.setHeader('Retry-After', '1');
    response
      .status(problem.status)
      .setHeader('Cache-Control', 'no-store')
      .type('application/problem+json')
      .send(JSON.stringify(problem));
  }
}
