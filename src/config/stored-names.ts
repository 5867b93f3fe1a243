// Which stored secrets a configuration refers to, also one that has problems.
import { membersOf } from '../bytes/json/parse.ts'

/** The name of each stored secret that a document refers to, in the order of the file; what has another shape is left out. */
export function* storedNames(document: unknown): Generator<string> {
  for (const { secret } of storedReferences(document)) yield secret
}

/** Each reference to a stored secret, with its provider. */
export function* storedReferences(document: unknown): Generator<{ provider: string; secret: string }> {
  for (const [provider, value] of Object.entries(membersOf(membersOf(document)['providers']))) {
    const { api_key: key, headers } = membersOf(value)
    for (const reference of [key, ...Object.values(membersOf(headers))]) {
      const { secret } = membersOf(reference)
      if (typeof secret === 'string') yield { provider, secret }
    }
  }
}
