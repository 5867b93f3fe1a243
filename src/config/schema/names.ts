// Names that stand in more than one section.
import type { Schema } from './schema-type.ts'

export const modelName = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  // It is written to headers, logs and metrics.
  pattern: '^[^\\s\\u0000-\\u001f\\u007f-\\u009f]+$',
  patternErrorMessage: 'must be a name without spaces and control characters',
} as const satisfies Schema

export const providerName = {
  type: 'string',
  minLength: 1,
  maxLength: 64,
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  patternErrorMessage: 'must consist of letters, digits, ".", "_" and "-", and begin with a letter or digit',
} as const satisfies Schema

/** A name, or a number for an account that `/etc/passwd` does not list. */
export const userName = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_.@-]*[$]?$',
  patternErrorMessage: 'must be the name of a Unix user',
} as const satisfies Schema

export const headerName = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  // RFC 9110 §5.6.2, token.
  pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
  patternErrorMessage: 'must be a valid HTTP header name',
} as const satisfies Schema
