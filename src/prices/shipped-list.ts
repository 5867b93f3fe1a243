// The list of prices that the package brings, for models whose price the configuration does not have.
import { readFileSync } from 'node:fs'
import { packagePath } from '../platform/package.ts'
import { PriceList, type RawPriceList } from './price-list.ts'

/** Relative to the package's root. `scripts/prices.ts` writes it. */
export const shippedListPath = 'config/shipped-prices.json'

/**
 * Reads it, in about a millisecond; a test has checked what is in it.
 * @throws when the package is damaged.
 */
export function readShippedList(): PriceList {
  return new PriceList(JSON.parse(readFileSync(packagePath(shippedListPath), 'utf8')) as RawPriceList)
}
