// Schema of the log of security events.
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'

export const auditSchema = {
  type: 'object',
  description: 'The log of security events. See [audit.md](audit.md).',
  additionalProperties: false,
  properties: {
    enabled: {
      description:
        'Record security events, in `audit-YYYY-MM.jsonl` in the state directory. `auto`: where clients have keys or identities.',
      default: defaults.audit.enabled,
      enum: ['auto', true, false],
    },
    keep_days: {
      type: 'integer',
      minimum: 31,
      maximum: 3_650,
      description: 'Days for which whole months are kept.',
      default: defaults.audit.keep_days,
    },
  },
} as const satisfies Schema
