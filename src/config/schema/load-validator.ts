// The schema and the validator that finds every violation of it: half a megabyte of source, loaded for a configuration in which
// something is to be reported or masked. The build has a module of its own in place of this one (scripts/build.ts).
import { createRequire } from 'node:module'

import type * as validator from './validator.js'

const require = createRequire(import.meta.url)

export function loadValidator(): typeof validator {
  return require('./validator.js') as typeof validator
}
