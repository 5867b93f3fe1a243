// Things that a call is counted by: its model; its provider's slots and its client's limits; budgets of the client and of all.
// Each is work of its own, so that a call costs more with more of them.
import { type Axis, growthConfig, plainCalls, type Point } from '../axis.ts'

const plenty = { rpm: 10_000_000, tpm: 1_000_000_000_000, max_parallel_requests: 1000 }
const usd = 9_000_000

export const scopes: Axis = {
  name: 'scopes',
  title: 'limits and budgets that count a call',
  shouldBeFlat: false,
  note: '1: those of the model. 3: also of its provider and its client. 8: also two budgets of the client and three of all clients together',
  points: () => [
    pointOf(1, {}),
    pointOf(3, { clients: { default: plenty } }),
    pointOf(8, {
      clients: {
        default: {
          ...plenty,
          budgets: [
            { usd, per: 'day' },
            { usd, per: 'month' },
          ],
        },
      },
      budgets: {
        total: [
          { usd, per: 'day' },
          { usd, per: 'week' },
          { usd, per: 'month' },
        ],
      },
    }),
  ],
}

function pointOf(size: number, more: object): Point {
  const provider = size === 1 ? {} : { max_parallel_requests: plenty.max_parallel_requests }
  const model = { price: { input: 0.01, output: 0.01 } }
  return { size, setup: { config: growthConfig({ provider, model, more }) }, calls: plainCalls }
}
