// fast-check for all property tests, with the seed of the run.
import fc from 'fast-check'
import { testSeed } from './test-seed.ts'

const seed = testSeed()
if (seed !== undefined) fc.configureGlobal({ seed })

export { fc }
