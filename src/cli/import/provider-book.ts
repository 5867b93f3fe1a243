// Providers of a draft: one for each base URL and key of the source, with a name of its own.
import { baseUrlFault } from '../../config/base-url.ts'
import { defaults } from '../../config/defaults.ts'
import type { RawProvider, RawSecret } from '../../config/raw.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { FreeNames } from './free-names.ts'

export interface WantedProvider {
  readonly kind?: RawProvider['kind']
  /** In our notation; undefined only for kinds that have an address of their own. */
  readonly baseUrl: string | undefined
  /** A name to begin with; a free one is made of it. */
  readonly name: string
  /** What else tells two of them apart: the text of the key. */
  readonly identity: string
  readonly key?: (name: string) => RawSecret | undefined
  readonly auth?: RawProvider['auth']
}

export class ProviderBook {
  readonly #draft: Draft
  readonly #known = new Map<string, string>()
  readonly #names = new FreeNames()

  constructor(draft: Draft) {
    this.#draft = draft
  }

  /** The name of the provider, which is made when it is new. */
  find(from: Foreign, wanted: WantedProvider): string {
    const { kind, baseUrl, identity } = wanted
    const id = JSON.stringify([kind, baseUrl, identity])
    const known = this.#known.get(id)
    if (known !== undefined) {
      wanted.key?.(known)
      return known
    }
    const name = this.#freeName(wanted.name)
    this.#known.set(id, name)
    this.#draft.config.providers[name] = this.#made(from, name, wanted)
    this.#draft.carried(from, ['providers', name])
    return name
  }

  #made(from: Foreign, name: string, { kind, baseUrl, key, auth }: WantedProvider): RawProvider {
    const provider: RawProvider = {
      ...(kind !== undefined && kind !== 'openai' && { kind }),
      ...(baseUrl !== undefined && { base_url: baseUrl }),
    }
    const secret = key?.(name)
    if (secret === undefined) return provider
    if (baseUrl !== undefined && isRefusedWithKey(baseUrl)) {
      this.#draft.changed(
        from,
        ['providers', name],
        'its key was left out, because http:// would send it unencrypted: use https://, an IP address of a private network, or allow_http: true',
      )
      this.#draft.errand(
        `providers.${name} has no key: http:// would send it unencrypted. Use https:// or an IP address, then add api_key.`,
      )
      return provider
    }
    return { ...provider, api_key: secret, ...(auth !== undefined && { auth }) }
  }

  #freeName(wanted: string): string {
    const cleaned = wanted.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '')
    const base = cleaned.slice(0, 56).replace(/-+$/, '') || 'provider'
    const { providers } = this.#draft.config
    return this.#names.take(base, '-', (name) => Object.hasOwn(providers, name))
  }
}

function isRefusedWithKey(baseUrl: string): boolean {
  const listener = { hosts: defaults.server.hosts, port: 0 }
  const fault = (hasKey: boolean) => baseUrlFault(baseUrl, listener, { allowHttp: false, hasKey })
  return fault(true) !== undefined && fault(false) === undefined
}

/** A name for the server at a URL: `gpu.lan-8000`, `local-8080`. */
export function nameOfServer(url: string): string {
  const { hostname = '', port = '' } = URL.parse(url) ?? {}
  const host = hostname.replaceAll(/^\[|\]$/g, '')
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
  const name = isLocal ? 'local' : host.replace(/^api\./, '')
  return port === '' ? name : `${name}-${port}`
}

/** A base URL without the trailing slashes and the route that the gateway appends. */
export function withoutRoute(url: string): string {
  return url
    .replace(/\/+$/, '')
    .replace(/\/(?:chat\/completions|completions|embeddings|responses|messages)$/, '')
}

/** A base URL up to `/v1`. */
export function withVersion(url: string): string {
  const base = url.replace(/\/+$/, '')
  return /\/v\d+[a-z]*(?:\/openai)?$/.test(base) ? base : `${base}/v1`
}
