// A provider's base URL. Messages quote no more than the host: people paste keys into the rest.
import { type Reach, reachOf } from '../platform/address-reach.ts'
import type { Boundary } from '../platform/boundary.ts'
import { quoted } from './problems.ts'
import type { HttpProvider } from './provider-types.ts'

/** What of a provider's entry bears on whether its URL will do. */
export interface Exposure {
  /** `allow_http`: it may be asked over plain HTTP wherever it is. */
  readonly allowHttp: boolean
  /** Its requests carry a key. */
  readonly hasKey: boolean
  /** Its API's version is added where the URL does not have it. Absent: it is not. */
  readonly needsNoVersion?: boolean
}

interface Listener {
  readonly hosts: readonly string[]
  readonly port: number
}

interface Fault {
  readonly message: string
  readonly hint: string
}

/** Names that no public name server has (RFC 6762, 8375, ICANN's `internal`), and those without a dot. */
const privateName = /^[^.]+$|\.(?:home\.arpa|internal|lan|local)$/

/** Parameters that carry a key: it would be a key in the file, and in the logs of proxies. */
const keyParameter = /^(?:(?:api|subscription)[-_]?)?key$|^(?:access[-_]?)?token$|^sig(?:nature)?$|^code$/i

/** Splits a URL in which `baseUrlFault` finds no fault. */
export function parseBaseUrl(
  text: string,
  { allowHttp }: Pick<Exposure, 'allowHttp'>,
): Pick<HttpProvider, 'origin' | 'basePath' | 'query' | 'boundary' | 'isLocal' | 'plainHttp'> {
  const url = new URL(text)
  const reach = hostReach(url)
  const isPlainName = url.protocol === 'http:' && reach === undefined
  const boundary = boundaryOf(url, allowHttp)
  const isPrivateName = isPlainName && (!allowHttp || privateName.test(nameOf(url)))
  return {
    origin: url.origin,
    // A variable with a slash at its end makes two of `${BASE}/v1`, which servers take for another path.
    basePath: url.pathname.replaceAll(/\/{2,}/g, '/').replace(/\/$/, ''),
    ...(url.search !== '' && { query: url.search }),
    ...(boundary !== 'any' && { boundary }),
    isLocal: reach === 'loopback' || reach === 'private' || isPrivateName,
    ...(isPlainName && { plainHttp: allowHttp ? 'anywhere' : 'private' }),
  }
}

/** Of a `root_url` in which `rootUrlFault` finds no fault: its path without a trailing slash. */
export function rootPathOf(text: string): string {
  return new URL(text).pathname.replace(/\/+$/, '')
}

/** Why a URL cannot be the root of the server at a base URL in which there is no fault; undefined if it can. */
export function rootUrlFault(text: string, baseUrl: string): Fault | undefined {
  const url = URL.parse(text)
  const { origin } = new URL(baseUrl)
  if (url === null || url.origin !== origin || url.username !== '' || /[?#@\s\\]/.test(text)) {
    return {
      message: 'is not the root of the server at base_url',
      hint: `write ${origin} and a path, without a query; the key goes nowhere else`,
    }
  }
  return undefined
}

/**
 * Why a URL cannot be a provider's; undefined if it can.
 *
 * @param listener where the gateway itself listens.
 */
export function baseUrlFault(text: string, listener: Listener, exposure: Exposure): Fault | undefined {
  const url = URL.parse(text)
  if (url !== null && url.protocol !== 'http:' && url.protocol !== 'https:') {
    // An address without a scheme, as servers print theirs.
    if (/^[^/:]+:\d/.test(text))
      return { message: 'has no scheme', hint: 'write http:// or https:// before it' }
    return {
      message: `the scheme ${quoted(url.protocol)} is not supported`,
      hint: 'use https:// or http://',
    }
  }
  // The parser corrects what nobody means to write: http:/host, backslashes, spaces.
  if (url === null || !/^https?:\/\/[^/\\]/i.test(text) || /[\s\\]/.test(text)) {
    return { message: 'is not a URL', hint: 'write it in full: https://api.example.com/v1' }
  }
  if (url.username !== '' || url.password !== '' || /^[^?]*@/.test(text)) {
    return { message: 'the URL must not contain a user name or password', hint: 'use api_key or headers' }
  }
  if (text.includes('#')) {
    return { message: 'the URL must not have a fragment', hint: 'end it before the #' }
  }
  if ([...url.searchParams.keys()].some((name) => keyParameter.test(name))) {
    const hint = 'use api_key, with auth: { header: NAME } if the provider expects it in another header'
    return { message: "the URL's query must not contain a key", hint }
  }
  return hostFault(url, listener) ?? plainHttpFault(url, exposure)
}

/** What is doubtful about a URL in which `baseUrlFault` finds no fault. */
export function baseUrlWarnings(text: string, exposure: Exposure): Fault[] {
  const url = new URL(text)
  const warnings = [exposureWarning(url, exposure), pathWarning(url, exposure)]
  return warnings.filter((warning) => warning !== undefined)
}

function exposureWarning(url: URL, { allowHttp, hasKey }: Exposure): Fault | undefined {
  if (!allowHttp || !isExposed(url)) return undefined
  const sent = hasKey ? 'the key, prompts and responses' : 'prompts and responses'
  return {
    message: `http:// sends ${sent} unencrypted to ${quoted(url.hostname)}`,
    hint: 'use https:// if the server can',
  }
}

/** Calls would meet a 404. Clouds do serve their API at the root; the servers that people run do not. */
function pathWarning(url: URL, { needsNoVersion = false }: Exposure): Fault | undefined {
  const route = routeAtEnd.exec(url.pathname)?.[0]
  if (route !== undefined) {
    const path = route.replace(/\/+$/, '')
    return { message: `ends in ${path}, which the gateway itself appends`, hint: `end it before ${path}` }
  }
  if (needsNoVersion) return undefined
  const isLocal = isExposed(url) || ['loopback', 'private'].includes(hostReach(url) ?? '')
  if (!isLocal || url.pathname !== '/') return undefined
  return { message: 'has no path; most servers have their API below /v1', hint: `write ${url.origin}/v1` }
}

const routeAtEnd =
  /\/(?:api\/(?:chat|generate|tags)|chat\/completions|completions|embeddings|messages|models|moderations|rerank|responses|(?:audio|images)\/[a-z]+)\/*$/

function hostFault(url: URL, listener: Listener): Fault | undefined {
  const reach = hostReach(url)
  const host = quoted(url.hostname)
  if (reach === 'link-local') {
    return {
      message: `${host} is a link-local address, where clouds serve the credentials of their machines`,
      hint: 'use another address of the server',
    }
  }
  if (isOwn(url, listener)) {
    return {
      message: "is the gateway's own address: calls would loop",
      hint: "write the provider's address",
    }
  }
  if (reach === 'unspecified') {
    return { message: `${host} is not the address of a server`, hint: 'write 127.0.0.1' }
  }
  return undefined
}

/** Each connection checks where a name leads; a key is sent nowhere on the strength of a name server. */
function plainHttpFault(url: URL, { allowHttp, hasKey }: Exposure): Fault | undefined {
  if (allowHttp || !isExposed(url)) return undefined
  const host = quoted(url.hostname)
  if (hostReach(url) === 'public') {
    return {
      message: `http:// to ${host} would send keys and prompts unencrypted`,
      hint: 'use https://, or allow it with allow_http: true',
    }
  }
  if (!hasKey) return undefined
  return {
    message: `http:// to ${host} would send the key unencrypted, to whatever address the name has`,
    hint: 'use https://, or an IP address on a private network, or allow it with allow_http: true',
  }
}

/** Plain HTTP to anything but an address that is known to be loopback or private. */
function isExposed(url: URL): boolean {
  const reach = hostReach(url)
  return url.protocol === 'http:' && (reach === undefined || reach === 'public')
}

/**
 * The narrowest boundary that calls can be kept in, of connections that are made directly. Each connection checks the addresses
 * of a name; one that public name servers may have is asked within a boundary only where all of its connections are checked.
 */
function boundaryOf(url: URL, allowHttp: boolean): Boundary {
  const reach = hostReach(url)
  if (reach === 'loopback') return 'local'
  if (reach !== undefined) return reach === 'private' ? 'private' : 'any'
  return (url.protocol === 'http:' && !allowHttp) || privateName.test(nameOf(url)) ? 'private' : 'any'
}

function nameOf(url: URL): string {
  return url.hostname.replace(/\.$/, '').replace(/^\[|\]$/g, '')
}

/** The WHATWG parser has already normalised 127.1, 0x7f.1 and the like. */
function hostReach(url: URL): Reach | undefined {
  const name = nameOf(url)
  return name === 'localhost' || name.endsWith('.localhost') ? 'loopback' : reachOf(name)
}

function isOwn(url: URL, listener: Listener): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  if (port !== listener.port) return false
  const host = nameOf(url)
  const reach = hostReach(url)
  const isName = reach === 'loopback' && !/^[\d.]+$|:/.test(host)
  return isName || reach === 'unspecified' || mappedIPv4(host) || listener.hosts.includes(host)

  // ::ffff:7f00:1 is another form of 127.0.0.1.
  function mappedIPv4(address: string): boolean {
    return reach === 'loopback' && address.startsWith('::ffff:')
  }
}
