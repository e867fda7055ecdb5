import { Injectable } from '@nestjs/common';

/** Whether the service is on its way out; readiness for requests says so while what is under way ends. */
@Injectable()
export class Lifecycle {
  draining = false;
}
