import { Controller, Get, Header, Redirect } from '@nestjs/common';
import { API_VERSION, asyncApiDocument, openApiDocument, routes } from '@flex/contracts';
import { apiPage } from '../core/api-page.js';

/** What the API is, for programs and for people; open to all, made once. */
@Controller()
export class DocumentsController {
  #openApi: object | undefined;
  #asyncApi: object | undefined;
  #page: string | undefined;

  /** Whoever opens the gateway itself in a browser wants to know what it is. */
  @Get()
  @Redirect('/docs', 302)
  home(): void {}

  @Get('openapi.json')
  @Header('cache-control', 'public, max-age=300')
  openApi(): object {
    return (this.#openApi ??= openApiDocument(API_VERSION));
  }

  @Get('asyncapi.json')
  @Header('cache-control', 'public, max-age=300')
  asyncApi(): object {
    return (this.#asyncApi ??= asyncApiDocument(API_VERSION));
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
  page(): string {
    return (this.#page ??= apiPage(routes));
  }
}
