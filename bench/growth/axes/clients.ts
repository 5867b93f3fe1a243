// Clients that call, each with a key of its own, one call after the other. Each has windows, and a sum in the ledger, of its own.
import type { Axis } from '../axis.ts'
import { withKeys } from './keys.ts'

export const clients: Axis = {
  name: 'clients',
  title: 'clients that call in turn',
  shouldBeFlat: true,
  note: 'each call is of another client than the one before, whose counts are not in the caches of the processor, and no two rows that the ledger writes together add up to one sum',
  points: ({ keys }) => [1, Math.ceil(keys / 10), keys].map((size) => ({ size, ...withKeys(keys, size) })),
}
