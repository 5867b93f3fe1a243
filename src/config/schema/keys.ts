// Schema of keys of clients, and of what clients without a key may use.
import { defaults } from '../defaults.ts'
import { boundary } from './boundary.ts'
import { budgetList } from './budgets.ts'
import { limitSchemas } from './limits.ts'
import { userName } from './names.ts'
import type { Schema } from './schema-type.ts'

const prefix = {
  type: 'string',
  maxLength: 9,
  pattern: '^[a-z][a-z0-9]{1,7}_$',
  patternErrorMessage: 'must be 2 to 8 letters and digits, beginning with a letter, and an underscore: gw_',
} as const satisfies Schema

export const keysSchema = {
  type: 'object',
  description:
    'Keys of clients, which `llm-gateway key` creates; see [keys.md](keys.md). Changes apply after a restart, those of the keys themselves at once.',
  additionalProperties: false,
  properties: {
    mode: {
      type: 'string',
      description:
        '`off`: keys are ignored. `optional`: a request without a key is served as with `off`, one with a key only if the key is valid. `required`: every request needs a key, except for `GET /healthz` and `keyless_users`.',
      default: defaults.keys.mode,
      enum: ['off', 'optional', 'required'],
    },
    file: {
      type: ['string', 'null'],
      description: 'Path of the key file, relative to the directory of this file. null: `keys.json`.',
      default: defaults.keys.file,
      minLength: 1,
      maxLength: 4096,
    },
    prefix: {
      ...prefix,
      description: 'How keys begin. Tokens that begin otherwise belong to other servers and are ignored.',
      default: defaults.keys.prefix,
    },
    keyless_users: {
      type: 'array',
      description:
        'Unix users who need no key with `mode: required`, if they connect directly: a connection on which a proxy has forwarded anything needs one. `self` is the user that runs the gateway.',
      default: defaults.keys.keyless_users,
      items: userName,
    },
  },
} as const satisfies Schema

const client = {
  type: 'object',
  additionalProperties: false,
  properties: {
    models: {
      type: 'array',
      description:
        'Models that the client may call: names, aliases, or the beginning of names with a `*` at its end. Absent: every model.',
      items: {
        type: 'string',
        minLength: 1,
        maxLength: 256,
        pattern: '^[^\\s*\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f]$',
        patternErrorMessage: 'must be the name of a model, or the beginning of names and a * at its end',
      },
      maxItems: 1000,
    },
    boundary: boundary(
      'What calls of the client may not leave. It narrows the boundaries of models and of `routing`, and widens none. Absent: no boundary.',
    ),
    routes: {
      type: 'boolean',
      description: 'Whether the client may use the routes of `routes.rest`. Absent: it may not.',
    },
    ...limitSchemas,
    budgets: budgetList('What the client may spend; see [budgets.md](budgets.md).'),
  },
} as const satisfies Schema

export const clientsSchema = {
  type: 'object',
  description:
    'What clients without a key may use, by Unix user (`user:ann`), address or CIDR block (`ip:192.168.1.0/24`), or identity (`mail:*@example.org`); a `*` stands for any text. One entry applies to a client: that of its exact name, else the longest one that matches, else `default`. The limits apply to each client separately, in addition to those of the models. Keys have their own record instead.',
  propertyNames: {
    type: 'string',
    minLength: 1,
    maxLength: 300,
    pattern: '^(?:default|(?:user|ip|mail|service|ts|head|jwt):[^\\s\\u0000-\\u001f\\u007f-\\u009f]+)$',
    patternErrorMessage:
      'must be "default", or begin with "user:", "ip:", "mail:", "service:", "ts:", "head:" or "jwt:"',
  },
  additionalProperties: client,
} as const satisfies Schema
