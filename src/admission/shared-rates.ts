// What was learnt of models and providers, where several threads learn: in memory that they share. Without a lock:
// when two threads learn of the same model at once, one of the two observations may be lost, as if it had not come.
import type { SharedMemory } from '../shared-memory.ts'
import { type Rates, type RatesPlaces, untaught } from './estimate.ts'
import { recordKinds, type SharedDirectory } from './shared-directory.ts'

const numbers = [
  'tokensPerByte',
  'error',
  'tokensPerMedia',
  'outputTokens',
  'outputDeviation',
  'samples',
] as const

/** 0 in a place that nothing was put into yet. */
const isTaughtIndex = numbers.length

interface Place extends Rates {
  isTaught: boolean
}

const recordBytes = (numbers.length + 1) * 8

export class SharedRates implements RatesPlaces {
  readonly #memory: SharedMemory
  readonly #directory: SharedDirectory
  readonly #known = new Map<string, Place>()

  /** @param directory over that memory. */
  constructor(memory: SharedMemory, directory: SharedDirectory) {
    this.#memory = memory
    this.#directory = directory
  }

  find(model: string, provider: string): Rates | undefined {
    const rates = this.#ratesOf(`${model}\n${provider}`)
    return rates.isTaught ? rates : undefined
  }

  put(rates: Rates): void {
    const shared = this.#ratesOf(`${rates.model}\n${rates.provider}`)
    if (rates !== shared) for (const name of numbers) shared[name] = rates[name]
    shared.isTaught = true
  }

  all(): Iterable<Rates> {
    const names = this.#locked(() => this.#directory.namesOf(recordKinds.rates))
    return names.map((name) => this.#ratesOf(name)).filter(({ isTaught }) => isTaught)
  }

  /** `name` is the model's, a line feed, and the provider's. */
  #ratesOf(name: string): Place {
    let rates = this.#known.get(name)
    if (rates === undefined) {
      const [model = '', provider = ''] = name.split('\n')
      const record = this.#locked(() => this.#directory.findOrAdd(recordKinds.rates, name, recordBytes))
      const values =
        record === undefined
          ? new Float64Array(numbers.length + 1)
          : new Float64Array(this.#memory.buffer, record, numbers.length + 1)
      rates = ratesOver(values, model, provider)
      this.#known.set(name, rates)
    }
    return rates
  }

  #locked<Result>(run: () => Result): Result {
    this.#memory.lock()
    try {
      return run()
    } finally {
      this.#memory.unlock()
    }
  }
}

/** Numbers that are read from and written to `values`. */
function ratesOver(values: Float64Array, model: string, provider: string): Place {
  const rates: Place = { ...untaught(model, provider), isTaught: false }
  numbers.forEach((name, index) => {
    Object.defineProperty(rates, name, {
      enumerable: true,
      get: () => values[index]!,
      set(value: number) {
        values[index] = value
      },
    })
  })
  Object.defineProperty(rates, 'isTaught', {
    enumerable: false,
    get: () => values[isTaughtIndex] === 1,
    set(isTaught: boolean) {
      values[isTaughtIndex] = isTaught ? 1 : 0
    },
  })
  return rates
}
