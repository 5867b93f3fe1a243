// The proxies through which providers are reached: from the file, or from the environment as curl reads it
// (https://curl.se/docs/manpage.html#ENVIRONMENT).
import { BlockList, isIP } from 'node:net'

import { parseBaseUrl } from './base-url.ts'
import type { VariableFault } from './environment.ts'
import type { HasProblem, PathProblem } from './problems.ts'
import { baseUrlOf } from './provider-kind.ts'
import type { RawConfig, RawProvider } from './raw.ts'
import { HeldSecret } from './secrets.ts'
import type { ProxyConfig } from './provider-types.ts'

export interface FoundProxies {
  /** By provider; those that are connected to directly are left out. */
  readonly found: ReadonlyMap<string, ProxyConfig>
  readonly problems: readonly PathProblem[]
  readonly faults: readonly VariableFault[]
}

const hint = 'write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT, or env, or none'

/** Finds the proxy of each provider. Its URL is never quoted, because it may hold a password. */
export function findProxies(raw: RawConfig, env: NodeJS.ProcessEnv, hasProblem: HasProblem): FoundProxies {
  const found = new Map<string, ProxyConfig>()
  const problems: PathProblem[] = []
  const faults = new Map<string, VariableFault>()
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    const { proxy = 'env' } = provider
    const baseUrl = baseUrlOf(provider)
    if (baseUrl === undefined || proxy === 'none' || !URL.canParse(baseUrl)) continue
    if (proxy === 'env') {
      const variable = hasProblem(['providers', name]) ? undefined : variableFor(provider, baseUrl, env)
      if (variable === undefined) continue
      const result = parseProxy(variable.value, `env ${variable.name}`)
      if (result === undefined) {
        const path = `env ${variable.name}`
        faults.set(path, { path, message: 'is not the URL of a proxy: http://, https:// or socks5://' })
      } else found.set(name, result)
      continue
    }
    const path = ['providers', name, 'proxy']
    const result = parseProxy(proxy, 'file')
    const message = result === undefined ? 'is not the URL of a proxy' : faultOf(provider, baseUrl, result)
    if (message !== undefined) problems.push({ path, message, hint })
    else if (result !== undefined) found.set(name, result)
  }
  return { found, problems, faults: [...faults.values()] }
}

/** Why a proxy of the file can't serve a provider. */
function faultOf(
  { allow_http: allowHttp = false }: RawProvider,
  baseUrl: string,
  { userInfo }: ProxyConfig,
): string | undefined {
  if (userInfo !== undefined) {
    return 'must not contain a password: set HTTPS_PROXY in the environment, and write proxy: env'
  }
  const { isLocal, plainHttp } = parseBaseUrl(baseUrl, { allowHttp })
  if (plainHttp === 'private') {
    return 'would resolve the name of base_url itself, so that nothing checks where it leads (allow_http: true)'
  }
  const { hostname } = new URL(baseUrl)
  const isHere = isLocal && /^(?:127\.|\[::1\]$|(?:.*\.)?localhost$)/.test(hostname)
  return isHere ? 'cannot lead to a server on this machine' : undefined
}

/** The variable that names the proxy of a remote provider; an empty one counts as absent. */
function variableFor(
  { allow_http: allowHttp = false }: RawProvider,
  baseUrl: string,
  env: NodeJS.ProcessEnv,
): { name: string; value: string } | undefined {
  const { protocol, hostname } = new URL(baseUrl)
  if (parseBaseUrl(baseUrl, { allowHttp }).isLocal) return undefined
  const names = protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : ['http_proxy', 'HTTP_PROXY']
  const variable = firstOf(env, [...names, 'all_proxy', 'ALL_PROXY'])
  const exceptions = firstOf(env, ['no_proxy', 'NO_PROXY'])
  return exceptions !== undefined && isExcepted(hostname, exceptions.value) ? undefined : variable
}

function firstOf(
  env: NodeJS.ProcessEnv,
  names: readonly string[],
): { name: string; value: string } | undefined {
  return names.map((name) => ({ name, value: env[name]?.trim() ?? '' })).find(({ value }) => value !== '')
}

/**
 * Whether `NO_PROXY` lists a host: `*` alone for all, a domain with all of its subdomains, an address, or a CIDR block.
 * Entries are separated by commas or spaces, and a dot in front of a domain or behind it changes nothing.
 *
 * @param host as in a URL, IPv6 addresses in brackets.
 */
export function isExcepted(host: string, list: string): boolean {
  if (list.trim() === '*') return true
  const bare = host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  const matches = isIP(bare) === 0 ? isInDomain : isInBlock
  return list.split(/[\s,]+/).some((entry) => entry !== '' && matches(bare, entry.toLowerCase()))
}

function isInDomain(name: string, entry: string): boolean {
  const domain = entry.replace(/^\./, '').replace(/\.$/, '')
  return domain !== '' && (name === domain || name.endsWith(`.${domain}`))
}

function isInBlock(address: string, entry: string): boolean {
  const [start = '', prefix] = entry.replace(/^\[(.*)\]$/, '$1').split('/')
  const [version, bits] = isIP(start) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : bits + 1
  if (isIP(start) === 0 || isIP(start) !== isIP(address) || length > bits) return false
  const block = new BlockList()
  block.addSubnet(start, length, version)
  return block.check(address, version)
}

/** Undefined if the text is not the URL of a proxy. One without a scheme is `http://`. */
function parseProxy(text: string, source: string): ProxyConfig | undefined {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  const kind = url === null ? undefined : kinds[url.protocol]
  if (url === null || kind === undefined || url.hostname === '') return undefined
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') return undefined
  const userInfo = userInfoOf(url)
  return {
    kind,
    // The parser knows no default port for SOCKS, and drops those of the others.
    origin: `${kind}://${url.hostname}:${url.port === '' ? defaultPorts[kind] : url.port}`,
    source,
    ...(userInfo !== undefined && { userInfo: new HeldSecret(userInfo, source) }),
  }
}

function userInfoOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  } catch {
    return `${username}:${password}`
  }
}

/** `socks5h` leaves names to the proxy, which `socks5` does here, too. */
const kinds: Readonly<Record<string, ProxyConfig['kind']>> = {
  'http:': 'http',
  'https:': 'https',
  'socks5:': 'socks5',
  'socks5h:': 'socks5',
}

const defaultPorts: Readonly<Record<ProxyConfig['kind'], number>> = { http: 80, https: 443, socks5: 1080 }
