// The query of a request's target, as far as it is forwarded.
import { isSecretName } from './secret-names.ts'

/**
 * @param target of visible ASCII without `#`, as a guard ensures.
 * @param holdsKey whether a key of a client stands in a text, whatever the parameter is called.
 * @returns the query with its `?`, each parameter as the client wrote it, without those that carry a key; or nothing.
 */
export function forwardedQuery(target: string, holdsKey: (text: string) => boolean): string {
  const at = target.indexOf('?')
  if (at < 0) return ''
  const kept = target
    .slice(at + 1)
    .split('&')
    .filter((parameter) => mayPass(parameter) && !holdsKey(parameter) && !holdsKey(decoded(parameter)))
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/** A name that cannot be decoded could be any. */
function mayPass(parameter: string): boolean {
  const [name = ''] = parameter.split('=', 1)
  try {
    // What stands in brackets names a part of the value: `metadata[key]`.
    return name !== '' && !isSecretName(decodeURIComponent(name).replace(/(?<=.)\[.*$/s, ''))
  } catch {
    return false
  }
}

function decoded(parameter: string): string {
  try {
    return decodeURIComponent(parameter)
  } catch {
    return ''
  }
}
