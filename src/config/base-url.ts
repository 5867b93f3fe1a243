// A provider's base URL. Messages name the host at most: people paste keys into the rest.
import { reachOf } from './addresses.ts'
import { quoted } from './problems.ts'

interface BaseUrl {
  /** Scheme, host and port. */
  readonly origin: string
  /** Without a trailing slash; empty for the root. */
  readonly basePath: string
  /** Loopback or private: patient timeouts, and `http:` is allowed. */
  readonly isLocal: boolean
}

interface Listener {
  readonly hosts: readonly string[]
  readonly port: number
}

/** Splits a URL that `baseUrlFault` has passed. */
export function parseBaseUrl(text: string): BaseUrl {
  const url = new URL(text)
  const reach = hostReach(url)
  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    isLocal: reach === 'loopback' || reach === 'private',
  }
}

/** Why a URL can not be a provider's; `listener` is where the gateway itself listens. */
export function baseUrlFault(
  text: string,
  listener: Listener,
): { message: string; hint: string } | undefined {
  const url = URL.parse(text)
  if (url !== null && url.protocol !== 'http:' && url.protocol !== 'https:') {
    return {
      message: `the scheme ${quoted(url.protocol)} is not understood`,
      hint: 'use https:// or http://',
    }
  }
  // The parser takes what people do not mean: http:/host, backslashes, spaces.
  if (url === null || !/^https?:\/\/[^/\\]/i.test(text) || /[\s\\]/.test(text)) {
    return { message: 'is not a URL', hint: 'write it in full: https://api.example.com/v1' }
  }
  if (url.username !== '' || url.password !== '' || text.includes('@')) {
    return { message: 'a user name or password may not stand in the URL', hint: 'use api_key or headers' }
  }
  if (/[?#]/.test(text)) {
    return { message: 'a query or fragment may not stand in the URL', hint: 'end it after the path: …/v1' }
  }
  return placeFault(url, listener)
}

function placeFault(url: URL, listener: Listener): { message: string; hint: string } | undefined {
  const reach = hostReach(url)
  const host = quoted(url.hostname)
  if (reach === 'link-local') {
    return {
      message: `${host} is a link-local address; such addresses hand out a cloud machine's credentials`,
      hint: 'use another address of that server',
    }
  }
  if (isOwn(url, listener)) {
    return {
      message: "is the gateway's own address: calls would go round in circles",
      hint: 'name the provider',
    }
  }
  if (reach === 'unspecified') {
    return { message: `${host} is no address that a server can be reached at`, hint: 'write 127.0.0.1' }
  }
  if (url.protocol === 'http:' && reach !== 'loopback' && reach !== 'private') {
    return {
      message: `http:// to ${host} would send keys and prompts in the clear`,
      hint: 'use https://, or the literal address when the server is on a private network',
    }
  }
  return undefined
}

/** The WHATWG parser has made 127.1, 0x7f.1 and the like the same by now. */
function hostReach(url: URL): ReturnType<typeof reachOf> {
  const name = url.hostname.replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return 'loopback'
  return reachOf(name.replace(/^\[|\]$/g, ''))
}

function isOwn(url: URL, listener: Listener): boolean {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  if (port !== listener.port) return false
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const reach = hostReach(url)
  const isName = reach === 'loopback' && !/^[\d.]+$|:/.test(host)
  return isName || reach === 'unspecified' || mappedIPv4(host) || listener.hosts.includes(host)

  // ::ffff:7f00:1 is 127.0.0.1 in another dress.
  function mappedIPv4(address: string): boolean {
    return reach === 'loopback' && address.startsWith('::ffff:')
  }
}
