// Problems of prices that the schema cannot express.
import { priceFaults } from '../prices/read-price.ts'
import type { Path, PathProblem } from './problems.ts'
import type { RawConfig, RawPriceSetting } from './raw.ts'

export function* priceProblems(raw: RawConfig): Generator<PathProblem> {
  for (const [path, price] of writtenPrices(raw)) {
    if (price === undefined || typeof price === 'string') continue
    for (const { path: within, ...fault } of priceFaults(price))
      yield { path: [...path, ...within], ...fault }
  }
  if (raw.prices?.list === 'off' && (raw.prices.file ?? null) !== null) {
    const message = 'has no effect: prices.list is off'
    yield { path: ['prices', 'file'], message, hint: 'remove one of them', at: 'key', severity: 'warning' }
  }
}

function* writtenPrices(raw: RawConfig): Generator<[Path, RawPriceSetting | undefined]> {
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    yield [['providers', name, 'price'], provider.price]
  }
  for (const [name, model] of Object.entries(raw.models ?? {})) {
    yield [['models', name, 'price'], model.price]
    for (const [index, target] of (model.targets ?? []).entries()) {
      yield [['models', name, 'targets', index, 'price'], target.price]
    }
  }
}
