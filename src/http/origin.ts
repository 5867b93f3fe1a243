// Origins as browsers and desktop apps send them (https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin).
import { isIPv6 } from 'node:net'

const hostPattern =
  /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?))(?::(\d{1,5}|\*))?$/
/** Apps name their hosts freely: `app://-`, `app://.`. */
const appHostPattern = /^[\w.-]+$/

/** Schemes of which anybody can publish a page. */
const webSchemes: ReadonlySet<string> = new Set(['http', 'https'])

/** Scheme, in lower case, and the rest after `://`. Undefined if it is not of that form. */
export function splitOrigin(text: string): { readonly scheme: string; readonly rest: string } | undefined {
  const [, scheme, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text) ?? []
  return scheme === undefined || rest === undefined ? undefined : { scheme: scheme.toLowerCase(), rest }
}

export function isWebScheme(scheme: string): boolean {
  return webSchemes.has(scheme)
}

/** `scheme://host[:port]`, or `file://`. The opaque origin `null` is none of them. */
export function isOrigin(text: string): boolean {
  const { scheme = '', rest = '' } = splitOrigin(text) ?? {}
  if (scheme === 'file') return rest === ''
  return isHostWithPort(rest, false) || (!isWebScheme(scheme) && appHostPattern.test(rest))
}

/** `host[:port]`; `:*` only if it may be any port. */
export function isHostWithPort(text: string, mayBeAnyPort: boolean): boolean {
  const match = hostPattern.exec(text)
  if (match === null) return false
  const [, ipv6, , port] = match
  if (ipv6 !== undefined && !isIPv6(ipv6)) return false
  if (port === '*') return mayBeAnyPort
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
}

/** An origin as browsers send it: lower case, without the scheme's default port. */
export function normalOrigin(origin: string): string {
  const lower = origin.toLowerCase()
  if (lower.startsWith('http://')) return lower.replace(/:80$/, '')
  return lower.startsWith('https://') ? lower.replace(/:443$/, '') : lower
}
