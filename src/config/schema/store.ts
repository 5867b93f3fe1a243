// Schema of where limits are counted.
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'
import { secretReference } from './secret.ts'

export const storeSchema = {
  type: 'object',
  description:
    'Where limits and budgets are counted: in this gateway, or in a Valkey or Redis server that several gateways share. A change needs a restart.',
  default: defaults.rate_limit_settings.store,
  additionalProperties: false,
  required: ['kind'],
  properties: {
    kind: {
      type: 'string',
      description:
        '`memory`: limits are of this gateway alone. `valkey`: of all gateways with the same server and `prefix` together.',
      enum: ['memory', 'valkey'],
    },
    url: {
      type: 'object',
      description:
        'Secret with the URL of the server: `rediss://USER:PASSWORD@HOST:6379`, `redis://127.0.0.1:6379`, `unix:///PATH`, `rediss+sentinel://HOST:26379,HOST:26379/MASTER` or `rediss+cluster://HOST:6379,HOST:6379`. Without TLS only on this machine.',
      ...secretReference,
    },
    prefix: {
      type: 'string',
      description: 'How its keys begin. Gateways with another prefix share nothing with this one.',
      default: defaults.store.prefix,
      maxLength: 64,
      pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$',
      patternErrorMessage:
        'must be made of letters, digits, ".", "_" and "-", and begin with a letter or digit',
    },
    when_unavailable: {
      type: 'string',
      description:
        'What this gateway grants while it cannot reach the server: `share`, its part of each limit (the limit divided by `members`); `refuse`, nothing, with 503 `limits_unavailable`; `local`, each whole limit, so that all together may exceed it.',
      default: defaults.store.when_unavailable,
      enum: ['share', 'refuse', 'local'],
    },
    members: {
      type: 'integer',
      description: 'How many gateways share the server at most.',
      minimum: 1,
      maximum: 64,
    },
    ca_file: {
      type: 'string',
      description:
        "Absolute path of the certificates (PEM) that may have signed the server's; without it, those that Node knows. `~/` stands for the home directory.",
      minLength: 1,
      maxLength: 4096,
      pattern: '^(/|~/)',
      patternErrorMessage: 'must be an absolute path, or begin with ~/',
    },
    keys_signed_by: {
      type: 'array',
      description:
        'Ed25519 public keys, in PEM or its base64 alone: a list of keys of clients from the server counts only if one of them has signed it.',
      default: defaults.store.keys_signed_by,
      maxItems: 16,
      items: { type: 'string', minLength: 1, maxLength: 1000 },
    },
    sign_keys_with: {
      type: 'object',
      description:
        'Secret with the Ed25519 private key (PKCS #8, base64 on one line) with which commands of this gateway sign keys of clients.',
      ...secretReference,
    },
  },
} as const satisfies Schema
