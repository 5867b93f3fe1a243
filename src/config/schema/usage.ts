// Schema of the ledger: what is kept of calls, and for how long.
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'

const days = { type: 'integer', minimum: 1, maximum: 3_650 } as const satisfies Schema

export const usageSchema = {
  type: 'object',
  description: 'The ledger: what calls used and cost. See [usage.md](usage.md).',
  additionalProperties: false,
  properties: {
    enabled: {
      type: 'boolean',
      description: 'Record calls, in `usage.db` in the state directory; without such a directory nothing is.',
      default: defaults.usage.enabled,
    },
    keep_calls_days: {
      ...days,
      description: 'Days for which the row of each call is kept.',
      default: defaults.usage.keep_calls_days,
    },
    keep_hours_days: {
      ...days,
      description: 'Days for which the sums of each quarter of an hour are kept.',
      default: defaults.usage.keep_hours_days,
    },
    client_names: {
      type: 'string',
      description:
        'How clients stand in the ledger, the log and the audit log: by their names, or by [pseudonyms](usage.md#pseudonyms).',
      default: defaults.usage.client_names,
      enum: ['plain', 'pseudonym'],
    },
  },
} as const satisfies Schema
