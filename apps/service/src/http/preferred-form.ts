import type { Request, Response } from 'express';

/** The content type of an answer that must not be stored: what the caller prefers of ours, the first when none of ours would do. */
export function preferredForm<F extends string>(request: Request, response: Response, forms: readonly [F, ...F[]]): F {
  const form = (request.accepts([...forms]) || forms[0]) as F;
  response.setHeader('Cache-Control', 'no-store');
  response.type(form);
  return form;
}
