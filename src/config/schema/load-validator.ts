// The schema and the validator that finds every violation of it: half a megabyte of source, loaded for a configuration in which
// something is to be reported or masked. The build has another module in place of require-validator.ts (scripts/build.ts).
import { schemaDigest } from './is-valid.js'
import { requireValidator } from './require-validator.ts'
import type * as validator from './validator.js'

/** @throws Error when its file is not there, or is of another version of the program. */
export function loadValidator(): typeof validator {
  const loaded = requireValidator()
  if (loaded.schemaDigest === schemaDigest) return loaded
  throw new Error('the files of the program are of another version')
}
