// The configuration of a test's gateway: the test sets what matters to it, the rest has defaults.
import { stringify } from 'yaml'

import type { RawConfig, RawProvider } from '../../src/config/raw.ts'
import { type Cleanup, type ScriptedUpstream, startUpstream } from './scripted-upstream.ts'

/**
 * A configuration as an operator writes it. A key at the top replaces its default as a whole, except for `server`, which
 * listens on 127.0.0.1 unless it has `hosts`.
 */
export interface Setup<Name extends string = string> extends Omit<RawConfig, 'providers'> {
  /** By default one, `scripted`. A provider without `base_url` is a scripted upstream that is started with the gateway. */
  readonly providers?: Readonly<Record<Name, RawProvider>>
}

export interface Started<Name extends string> {
  /** The scripted upstreams that were started, by the name of their provider. */
  readonly upstreams: Readonly<Record<Name, ScriptedUpstream>>
  /** The first of them. */
  readonly upstream: ScriptedUpstream
}

/** The key of scripted upstreams; no client ever sends or sees it. */
export const providerKey = 'sk-provider-1f9a'

/** What is in the gateway's environment unless the test says otherwise. */
export const defaultEnv: Readonly<Record<string, string>> = { SCRIPTED_KEY: providerKey }

/** The provider's name of the model `renamed`. */
export const providerModel = 'vendor/deep-model:7b'

/** Models of this provider: two whose names are the same there, `renamed` with the alias `short`, and a pattern. */
function defaultModels(provider: string): NonNullable<RawConfig['models']> {
  return {
    plain: { provider },
    'llama3.1:8b': { provider },
    renamed: { provider, model: providerModel, aliases: ['short'] },
    'open/*': { provider, model: '*' },
  }
}

/** The built-in echo as the only provider. */
export const echo = { providers: { echo: { kind: 'echo' } } } as const satisfies Setup

/** A provider at the address of this server. */
export function at({ url }: { readonly url: string }, more: RawProvider = {}): RawProvider {
  return { base_url: `${url}/v1`, ...more }
}

/** Starts the scripted upstreams of the providers that have no address, and writes the configuration. */
export async function prepare<Name extends string>(
  t: Cleanup,
  setup: Setup<Name>,
): Promise<Started<Name> & { readonly text: string }> {
  const upstreams: Record<string, ScriptedUpstream> = {}
  const providers: Record<string, RawProvider> = {}
  for (const [name, provider] of Object.entries<RawProvider>(setup.providers ?? { scripted: {} })) {
    providers[name] = provider
    if (provider.base_url !== undefined || provider.kind === 'echo') continue
    upstreams[name] = await startUpstream(t)
    const usual: RawProvider = { api_key: { env: 'SCRIPTED_KEY' }, ...spokenBy(provider) }
    providers[name] = at(upstreams[name], { ...usual, ...provider })
  }
  return {
    text: configText({ ...setup, providers }),
    upstreams: upstreams as Record<Name, ScriptedUpstream>,
    get upstream() {
      const [first] = Object.values(upstreams)
      if (first === undefined) throw new Error('no provider of this gateway is a scripted upstream')
      return first
    },
  }
}

/** A script answers in any format, and no probe of its formats is in it. */
function spokenBy({ kind }: RawProvider): RawProvider {
  return kind === 'anthropic' ? {} : { speaks: ['chat', 'messages', 'responses'] }
}

/** The file of a gateway whose providers all have addresses. */
export function configText({ server, providers = {}, models, ...setup }: Setup): string {
  return stringify({
    server: { hosts: ['127.0.0.1'], ...server },
    providers,
    models: models ?? defaultModels(Object.keys(providers)[0]!),
    rate_limit_settings: { per_client: {} },
    routing: { retries: 0, restart_wait_ms: 0, cooldown_ms: 0 },
    logging: { format: 'json' },
    ...setup,
  })
}
