// Schema of budgets: what may be spent in windows of the calendar.
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'

const budget = {
  type: 'object',
  additionalProperties: false,
  required: ['per'],
  properties: {
    usd: {
      type: ['number', 'string'],
      description: 'USD, up to 9,000,000: 5, or "2.50". Either this or `tokens`.',
      minimum: 0,
      maximum: 9_000_000,
      pattern: '^\\d{1,7}(\\.\\d{1,9})?$',
      patternErrorMessage: 'must be an amount of USD such as 5 or "2.50"',
    },
    tokens: {
      type: 'integer',
      description: 'Tokens, prompt and completion together. Either this or `usd`.',
      minimum: 0,
      maximum: 1_000_000_000_000_000,
    },
    per: {
      type: 'string',
      description: 'In which window; weeks begin on Monday.',
      enum: ['day', 'week', 'month', 'total'],
    },
  },
} as const satisfies Schema

/** @param description of whose budgets they are. */
export const budgetList = (description: string) =>
  ({ type: 'array', description, maxItems: 8, items: budget }) as const satisfies Schema

export const budgetsSchema = {
  type: 'object',
  description: 'What may be spent. See [budgets.md](budgets.md).',
  additionalProperties: false,
  properties: {
    time_zone: {
      type: 'string',
      description: 'Time zone of days, weeks and months: `Europe/Berlin`.',
      default: defaults.budgets.time_zone,
      minLength: 1,
      maxLength: 64,
    },
    reserve: {
      type: 'string',
      description:
        'What a call reserves before it is sent. `predicted`: its prompt and the usual length of an answer. `worst_case`: its prompt and the longest answer that it allows.',
      default: defaults.budgets.reserve,
      enum: ['predicted', 'worst_case'],
    },
    when_exhausted: {
      type: 'string',
      description:
        'What becomes of calls under way once a budget is spent. `finish`: they end by themselves. `cut`: they end with an error.',
      default: defaults.budgets.when_exhausted,
      enum: ['finish', 'cut'],
    },
    total: { ...budgetList('Budgets of all clients together.'), default: defaults.budgets.total },
  },
} as const satisfies Schema
