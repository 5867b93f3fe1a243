// A provider's base URL. Messages quote no more than the host: people paste keys into the rest.
import { reachOf } from './addresses.ts'
import { quoted } from './problems.ts'

interface BaseUrl {
  /** Scheme, host and port. */
  readonly origin: string
  /** Without a trailing slash; empty for the root. */
  readonly basePath: string
  /** Loopback or private: longer timeouts, and `http:` is allowed. */
  readonly isLocal: boolean
}

interface Listener {
  readonly hosts: readonly string[]
  readonly port: number
}

/** Splits a URL in which `baseUrlFault` finds no fault. */
export function parseBaseUrl(text: string): BaseUrl {
  const url = new URL(text)
  const reach = hostReach(url)
  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    isLocal: reach === 'loopback' || reach === 'private',
  }
}

/**
 * Why a URL cannot be a provider's; undefined if it can.
 *
 * @param listener where the gateway itself listens.
 */
export function baseUrlFault(
  text: string,
  listener: Listener,
): { message: string; hint: string } | undefined {
  const url = URL.parse(text)
  if (url !== null && url.protocol !== 'http:' && url.protocol !== 'https:') {
    return {
      message: `the scheme ${quoted(url.protocol)} is not supported`,
      hint: 'use https:// or http://',
    }
  }
  // The parser corrects what nobody means to write: http:/host, backslashes, spaces.
  if (url === null || !/^https?:\/\/[^/\\]/i.test(text) || /[\s\\]/.test(text)) {
    return { message: 'is not a URL', hint: 'write it in full: https://api.example.com/v1' }
  }
  if (url.username !== '' || url.password !== '' || text.includes('@')) {
    return { message: 'the URL must not contain a user name or password', hint: 'use api_key or headers' }
  }
  if (/[?#]/.test(text)) {
    return { message: 'the URL must not have a query or fragment', hint: 'end it after the path: …/v1' }
  }
  return hostFault(url, listener)
}

function hostFault(url: URL, listener: Listener): { message: string; hint: string } | undefined {
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
  if (url.protocol === 'http:' && reach !== 'loopback' && reach !== 'private') {
    return {
      message: `http:// to ${host} would send keys and prompts unencrypted`,
      hint: 'use https://, or an IP address if the server is on a private network',
    }
  }
  return undefined
}

/** The WHATWG parser has already normalised 127.1, 0x7f.1 and the like. */
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

  // ::ffff:7f00:1 is another form of 127.0.0.1.
  function mappedIPv4(address: string): boolean {
    return reach === 'loopback' && address.startsWith('::ffff:')
  }
}
