import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

/** Made from the controllers' zod schemas: what is checked is what is documented. */
export const openApiDocument = (app: INestApplication): OpenAPIObject =>
  SwaggerModule.createDocument(
    app,
    new DocumentBuilder()
      .setTitle('Highwater')
      .setDescription(
        'Fills a derived column on live PostgreSQL tables and makes it NOT NULL. Mutations answer 202 with an operation; errors are RFC 9457 problems whose type names a page of docs/errors.md.',
      )
      .setVersion('1')
      .build(),
  );
