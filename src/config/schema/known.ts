// Schema of what an operator knows of a server's models.
import { abilities } from '../../domain.ts'
import type { Schema } from './schema-type.ts'

export const known = {
  context_length: {
    type: 'integer',
    description:
      'Tokens that one call may have, prompt and answer together. Default: what the server reports of the model, if it does.',
    minimum: 1,
    maximum: 1_000_000_000,
  },
  takes: {
    type: 'array',
    description:
      'What the models can do; what is not listed, they lack. `thinking` is reasoning on request. Default: what the server reports of the model; what it says nothing of is not known.',
    minItems: 1,
    items: { type: 'string', enum: [...abilities] },
  },
} as const satisfies Readonly<Record<string, Schema>>
