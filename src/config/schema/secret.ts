// Schema of a reference to a secret. `writeOnly` marks all of it: a key that was pasted here must not be shown.
import type { Schema } from './schema-type.ts'

const properties = {
  credential: {
    type: 'string',
    description: 'Name of a systemd credential: a file in `$CREDENTIALS_DIRECTORY`.',
    minLength: 1,
    maxLength: 255,
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
    patternErrorMessage: 'must be the name of a credential, made of letters, digits, ".", "_" and "-"',
    writeOnly: true,
  },
  file: {
    type: 'string',
    description:
      'Absolute path of a file that only its owner can read (mode 0600); `~/` stands for the home directory.',
    minLength: 1,
    maxLength: 4096,
    pattern: '^(/|~/)',
    patternErrorMessage: 'must be an absolute path, or begin with ~/',
    writeOnly: true,
  },
  env: {
    type: 'string',
    description: 'Name of an environment variable.',
    minLength: 1,
    maxLength: 255,
    pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
    patternErrorMessage: 'must be the name of an environment variable',
    hint: 'write { env: NAME }, without $ and braces',
    writeOnly: true,
  },
  secret: {
    type: 'string',
    description: 'Name of a secret that `llm-gateway secret set NAME` has stored, encrypted.',
    minLength: 1,
    maxLength: 100,
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
    patternErrorMessage: 'must be the name of a secret, made of letters, digits, ".", "_" and "-"',
    writeOnly: true,
  },
  optional: {
    type: 'boolean',
    description: 'Start without this secret if it cannot be found.',
    default: false,
    writeOnly: true,
  },
} as const satisfies Record<string, Schema>

/** For a key whose value is an object, or an object among others; other types pass `if` and `then`. */
export const secretReference = {
  writeOnly: true,
  additionalProperties: false,
  properties,
  if: { type: 'object', properties: { credential: false, file: false, env: false, secret: false } },
  then: {
    not: {},
    errorMessage: 'names no source of the secret',
    hint: 'add credential, file, env or secret',
  },
} as const satisfies Schema
