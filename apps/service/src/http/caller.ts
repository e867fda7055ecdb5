import { userInfo } from 'node:os';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { CommandContext } from '@highwater/roles';
import { BadRequest } from './problem.js';

const printable = /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/;

/** Who asks and under which idempotency key. Until accounts exist: the `Highwater-Actor` header, else the user of the operating system. */
export function callerOf(headers: Request['headers']): Omit<CommandContext, 'reason'> {
  const actor = single(headers, 'highwater-actor');
  const key = single(headers, 'idempotency-key');
  return {
    actor: actor === undefined ? { name: userInfo().username, method: 'os' } : { name: actor, method: 'header' },
    ...(key === undefined ? {} : { idempotencyKey: key }),
  };
}

/** The generation a cutover was decided on: a strong entity tag, or undefined when the header is missing. */
export function generationOf(headers: Request['headers']): string | undefined {
  const value = headers['if-match'];
  if (value === undefined || value.trim() === '') return undefined;
  const match = /^\s*"?([A-Za-z0-9._-]{1,64})"?\s*$/.exec(value);
  if (!match?.[1])
    throw new BadRequest([
      { path: 'If-Match', message: 'expected one generation of GET /cutover/readiness, for example "1841"' },
    ]);
  return match[1];
}

function single(headers: Request['headers'], name: string): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !printable.test(value))
    throw new BadRequest([{ path: name, message: 'expected 1 to 100 printable ASCII characters' }]);
  return value;
}

const requestOf = (context: ExecutionContext): Request => context.switchToHttp().getRequest<Request>();

export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(requestOf(context).headers),
);
export const Generation = createParamDecorator((_: unknown, context: ExecutionContext) =>
  generationOf(requestOf(context).headers),
);
export type CallerContext = Omit<CommandContext, 'reason'>;

/** The caller with the reason of the body. */
export const withReason = (caller: CallerContext, reason: string | undefined): CommandContext =>
  reason === undefined ? caller : { ...caller, reason };
