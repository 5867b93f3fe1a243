// `TEST_SEED=N` makes the inputs of property tests and long runs the same in each run. Without it every run has others, and a
// failure prints its own seed.
import { env } from 'node:process'

/** @throws RangeError for a value that is not a whole number. */
export function testSeed(): number | undefined {
  const { TEST_SEED: text } = env
  if (text === undefined || /^\d{1,9}$/.test(text)) return text === undefined ? undefined : Number(text)
  throw new RangeError(`TEST_SEED takes a whole number, not ${JSON.stringify(text)}`)
}
