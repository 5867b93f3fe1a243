// Origins of web pages and values of the Host header, as the file may list them. Both are compared literally: there are no
// expressions, so a list matches exactly what it shows, and no input can make the comparison slow.
import { isHostWithPort, isOrigin, isWebScheme, splitOrigin } from '../http/origin.ts'
import { quoted } from './problems.ts'

type Fault = { message: string; hint: string } | undefined

/**
 * Why a text cannot be listed; undefined for an origin, for `scheme://host:*`, and for `scheme://*` of a scheme that is not
 * the web's.
 */
export function corsOriginFault(origin: string): Fault {
  const name = quoted(origin)
  const { scheme, rest = '' } = splitOrigin(origin) ?? {}
  if (origin === '*' || (scheme !== undefined && isWebScheme(scheme) && rest.startsWith('*'))) {
    return { message: `${name} would allow every web page`, hint: 'list the origins, or set cors.allow_all' }
  }
  if (origin === 'null') {
    return {
      message: '"null" is the origin of every sandboxed page',
      hint: 'serve the page from its own origin; cors.allow_null_origin allows all of them',
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
  if (isOrigin(origin) || isHostWithPort(rest, true) || isAnyHost(origin)) return undefined
  return { message: `${name} is not an origin`, hint: 'write the full host; only the port may be *' }
}

/** What an origin that can be listed lets in beyond a single page or app; undefined if nothing. */
export function wideOrigin(origin: string): Fault {
  if (origin.toLowerCase() === 'file://') {
    return {
      message: 'every local file that an app opens as a page can use the gateway',
      hint: 'list the origin of the app instead if it has one of its own',
    }
  }
  if (!isAnyHost(origin)) return undefined
  return {
    message: `every page with the scheme of ${quoted(origin)} can use the gateway: all extensions of a browser or an editor`,
    hint: 'list the full origin if it stays the same',
  }
}

/** Every host of a scheme, for hosts that are made at random. */
function isAnyHost(origin: string): boolean {
  const { scheme, rest } = splitOrigin(origin) ?? {}
  return scheme !== undefined && scheme !== 'file' && !isWebScheme(scheme) && rest === '*'
}

/** Why a text is not a value of the Host header, `host[:port]`; undefined if it is one. */
export function hostHeaderFault(host: string): Fault {
  if (isHostWithPort(host, false)) return undefined
  return {
    message: `${quoted(host)} is not a host`,
    hint: 'write host or host:port, without a scheme, path or wildcard',
  }
}
