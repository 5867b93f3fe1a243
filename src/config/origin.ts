// Origins of web pages and values of the Host header, as the file may list them. Both are compared literally: there are no
// expressions, so a list matches exactly what it shows, and no input can make the comparison slow.
import { isIPv6 } from 'node:net'

import { quoted } from './problems.ts'

const hostPattern =
  /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?))(?::(\d{1,5}|\*))?$/

type Fault = { message: string; hint: string } | undefined

/** Why a text is not an origin, `scheme://host[:port|:*]`; undefined if it is one. */
export function corsOriginFault(origin: string): Fault {
  const name = quoted(origin)
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(origin) ?? []
  if (origin === '*' || /^[a-z]+:\/\/\*/i.test(origin)) {
    return { message: `${name} would allow every web page`, hint: 'list the origins, or set cors.allow_all' }
  }
  if (origin === 'null') {
    return {
      message: '"null" is the origin of every sandboxed page',
      hint: 'serve the page from its own origin',
    }
  }
  if (scheme === undefined) {
    return {
      message: `${name} is not an origin`,
      hint: 'write scheme://host or scheme://host:port; patterns are not supported',
    }
  }
  if (rest.includes('@'))
    return { message: 'an origin must not contain a user name', hint: 'write scheme://host:port' }
  if (/[/?#]/.test(rest))
    return { message: `${name} has a path`, hint: 'an origin ends after the port, without a slash' }
  if (isHostWithPort(rest, true)) return undefined
  return { message: `${name} is not an origin`, hint: 'write the full host; only the port may be *' }
}

/** Why a text is not a value of the Host header, `host[:port]`; undefined if it is one. */
export function hostHeaderFault(host: string): Fault {
  if (isHostWithPort(host, false)) return undefined
  return {
    message: `${quoted(host)} is not a host`,
    hint: 'write host or host:port, without a scheme, path or wildcard',
  }
}

function isHostWithPort(text: string, mayBeAnyPort: boolean): boolean {
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
