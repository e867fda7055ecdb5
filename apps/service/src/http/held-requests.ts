import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { HighwaterError } from '@highwater/kernel';
import { httpCodes } from './codes.js';

const heldMax = 64;

/** Requests that stay open: long polls and event streams. Bounded in number, and all ended when the service stops. */
@Injectable()
export class HeldRequests {
  private readonly stopping = new AbortController();
  private held = 0;

  /** Runs `work` with a signal that fires when the caller has gone or the service stops. */
  async hold<T>(request: Request, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.held >= heldMax) {
      throw new HighwaterError(
        httpCodes.tooManyStreams,
        'backoff',
        `${this.held} event streams and long polls are open; expected fewer than ${heldMax}`,
        {},
        'close one, or ask again later',
      );
    }
    this.held += 1;
    const gone = new AbortController();
    const leave = (): void => gone.abort();
    request.res?.once('close', leave);
    try {
      return await work(AbortSignal.any([gone.signal, this.stopping.signal]));
    } finally {
      request.res?.off('close', leave);
      this.held -= 1;
    }
  }

  end(): void {
    this.stopping.abort();
  }
}

/** Waits; false when the signal fired meanwhile. */
export const waitFor = (ms: number, signal: AbortSignal): Promise<boolean> =>
  pause(ms, true, { signal }).catch(() => false);
