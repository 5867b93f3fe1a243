/**
 * The lower-case ASCII name that a case-insensitive decoder may read `name` as. Go's encoding/json folds by Unicode's
 * simple folding, which adds two characters to the ASCII letters: the long s and the Kelvin sign.
 */
export function foldName(name: string): string {
  if (isFolded.test(name)) return name
  return name.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase()
}

/** As nearly all names are. */
const isFolded = /^[a-z0-9_]*$/
