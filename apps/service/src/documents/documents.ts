import { Injectable } from '@nestjs/common';

/** The OpenAPI document, made once from the finished application. */
@Injectable()
export class Documents {
  openApi: object | undefined;
}
