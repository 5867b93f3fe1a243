// The JSON Schema (draft-07) of the configuration file. It is written once, here and in the three files beside it:
// the loader checks with it, editors read the copy in config/, and docs/config.md is generated from it.
import { rateLimitsSchema } from './limits.ts'
import { accessSchema, corsSchema, loggingSchema, serverSchema } from './service.ts'
import { modelsSchema, providersSchema, routingSchema } from './upstream.ts'

type TypeName = 'array' | 'boolean' | 'integer' | 'null' | 'object' | 'string'

/** The part of JSON Schema that `validate.ts` understands; a test holds the two against each other. */
export interface Schema {
  readonly type: TypeName | readonly TypeName[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  /** A linear expression: files are as long as their writer likes. */
  readonly pattern?: string
  readonly items?: Schema
  readonly minItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly propertyNames?: Schema
  readonly additionalProperties?: false | Schema
  readonly required?: readonly string[]
  readonly minProperties?: number
  /** Values here may be secrets: they are neither quoted in messages nor shown in excerpts. */
  readonly writeOnly?: true
}

export const configSchema = {
  type: 'object',
  description: 'Configuration of llm-gateway.',
  additionalProperties: false,
  required: ['providers', 'models'],
  properties: {
    server: serverSchema,
    access: accessSchema,
    cors: corsSchema,
    rate_limit_settings: rateLimitsSchema,
    providers: providersSchema,
    models: modelsSchema,
    routing: routingSchema,
    logging: loggingSchema,
  },
} as const satisfies Schema
