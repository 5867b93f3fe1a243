// Schema of what happens to requests that are no model calls, or name no model.
import { defaults } from '../defaults.ts'
import { modelName, providerName } from './names.ts'
import type { Schema } from './schema-type.ts'

export const routesSchema = {
  type: 'object',
  description: "Requests of OpenAI's API that are not model calls, and calls that name no model.",
  additionalProperties: false,
  properties: {
    rest: {
      type: ['object', 'null'],
      description:
        "Passes the other routes of OpenAI's API (files, batches, vector stores, stored responses and the like) to one provider, with its key. null: they are 404. See [http.md](http.md#the-rest-of-the-api).",
      default: defaults.routes.rest,
      hint: 'write { provider: NAME }',
      additionalProperties: false,
      required: ['provider'],
      properties: {
        provider: { ...providerName, description: 'Name of a provider, not of kind `echo`.' },
      },
    },
    default_model: {
      type: 'object',
      description:
        'Models of calls whose body names none. Without one, such a call is refused with status 400.',
      additionalProperties: false,
      properties: {
        images: { ...modelName, description: 'For `/v1/images/…`.' },
        infill: {
          ...modelName,
          description: "For llama.cpp's `/infill`, whose clients name none. Default: `native`.",
        },
        moderations: { ...modelName, description: 'For `/v1/moderations`.' },
        native: {
          ...modelName,
          description:
            "For llama.cpp's other routes: `/completion`, `/tokenize`, `/detokenize` and `/apply-template`.",
        },
        responses: { ...modelName, description: 'For `/v1/responses`.' },
      },
    },
  },
} as const satisfies Schema
