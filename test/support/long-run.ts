// What a long run is told on its command line: `npm run test:long -- --only fuzz --seed 7 --first 812 --count 1`.
import { randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { testSeed } from './test-seed.ts'

export interface LongRun {
  /** Decides everything but the time. */
  readonly seed: number
  /** Inputs, rounds or calls before this one are left out. */
  readonly first: number
  /** How many of them, in place of the usual number. */
  readonly count: number | undefined
  /** How long the run may take; Infinity without a budget. */
  readonly seconds: number
  /** True once that time is over. */
  readonly isOver: () => boolean
}

/** @throws TypeError for an option that there is not, RangeError for a value that is not a whole number. */
export function longRun(args = process.argv.slice(2)): LongRun {
  const type = 'string'
  const { values } = parseArgs({
    args,
    options: { seed: { type }, first: { type }, count: { type }, seconds: { type } },
  })
  const numberOf = (name: keyof typeof values): number | undefined => {
    const text = values[name]
    if (text === undefined || /^\d{1,15}$/.test(text)) return text === undefined ? undefined : Number(text)
    throw new RangeError(`--${name} takes a whole number, not ${JSON.stringify(text)}`)
  }
  const seconds = numberOf('seconds') ?? Number.POSITIVE_INFINITY
  return {
    seed: numberOf('seed') ?? testSeed() ?? randomInt(1_000_000),
    first: numberOf('first') ?? 0,
    count: numberOf('count'),
    seconds,
    isOver: () => performance.now() > seconds * 1_000,
  }
}
