/** GET /api/openapi.json: the OpenAPI 3.1 document of this API. */
import { json, type Route } from '../../shared/http.ts';
import { openApiDocument } from '../../shared/schemas/openapi.ts';

export function createOpenApiRoute(): Route {
  return {
    methods: ['GET', 'HEAD'],
    handle: async () => json<object>(200, openApiDocument()),
  };
}
