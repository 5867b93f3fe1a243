// Schema of where stored secrets are.
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'

const path = {
  type: ['string', 'null'],
  minLength: 1,
  maxLength: 4096,
  pattern: '^(/|~/)',
  patternErrorMessage: 'must be an absolute path, or begin with ~/',
} as const satisfies Schema

export const secretsSchema = {
  type: 'object',
  description: 'Where the secrets are that `llm-gateway secret set` stores, encrypted.',
  additionalProperties: false,
  properties: {
    dir: {
      ...path,
      description: 'Directory of the encrypted files. null: `secrets` beside this file.',
      default: defaults.secrets.dir,
    },
    identity: {
      type: 'object',
      description: 'The key that opens them: the credential if systemd passes it, else the file.',
      additionalProperties: false,
      properties: {
        credential: {
          type: 'string',
          description: 'Name of a systemd credential.',
          default: defaults.secrets.identity.credential,
          minLength: 1,
          maxLength: 100,
          pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
          patternErrorMessage: 'must be the name of a credential, made of letters, digits, ".", "_" and "-"',
        },
        file: {
          ...path,
          description:
            'A file of mode 0600 in the format of `age-keygen`. null: `identity.txt` in the state directory.',
          default: defaults.secrets.identity.file,
        },
      },
    },
  },
} as const satisfies Schema
