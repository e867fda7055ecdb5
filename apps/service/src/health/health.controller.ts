import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { Engine } from '@highwater/roles';
import { z } from 'zod';
import { Answer } from '../http/accepted.js';
import { ENGINE } from '../tokens.js';
import { Lifecycle } from './lifecycle.js';

interface Health {
  readonly status: 'ok' | 'failing';
  readonly reason: string | null;
}
const healthView = z.object({ status: z.enum(['ok', 'failing']), reason: z.string().nullable() });

/** Minimal on purpose: nothing here that an operator would not show anybody (SECURITY S36). Progress is no matter of health. */
@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(
    @Inject(ENGINE) private readonly engine: Engine,
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle,
  ) {}

  /** Restart the process when this fails. */
  @Get('live')
  @Answer('Does the process work', healthView)
  live(@Res({ passthrough: true }) response: Response): Health {
    const { fatal } = this.engine.facts();
    return say(response, fatal === null, fatal && `process role ${fatal.role} ended`);
  }

  /** Send no requests here while this fails. */
  @Get('ready')
  @Answer('Can it answer requests', healthView)
  ready(@Res({ passthrough: true }) response: Response): Health {
    const { ready, reason } = this.engine.facts();
    if (this.lifecycle.draining) return say(response, false, 'draining');
    return say(response, ready, reason);
  }

  @Get('startup')
  @Answer('Has it started', healthView)
  startup(@Res({ passthrough: true }) response: Response): Health {
    const { started, reason } = this.engine.facts();
    return say(response, started, reason ?? 'starting');
  }
}

function say(response: Response, ok: boolean, reason: string | null): Health {
  response.setHeader('Cache-Control', 'no-store');
  if (!ok) response.status(503);
  return ok ? { status: 'ok', reason: null } : { status: 'failing', reason };
}
