import { createRequire } from 'node:module'

import type * as validator from './validator.js'

const require = createRequire(import.meta.url)

export function requireValidator(): typeof validator {
  return require('./validator.js') as typeof validator
}
