// A gateway with a scripted provider behind it, and the official SDK in front, its bytes recorded.
import OpenAI from 'openai'
import type { ClientOptions } from 'openai'

import { startGateway } from '../support/app.ts'
import type { TestGateway } from '../support/app.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import type { Cleanup, ScriptedUpstream } from '../support/scripted-upstream.ts'

export interface Wired {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
}

/** The provider's key; no client ever sends or sees it. */
export const providerKey = 'sk-provider-1f9a'

/** What the provider calls the model `renamed`. */
export const providerModel = 'vendor/deep-model:7b'

/**
 * Models: `plain` and `llama3.1:8b` (the provider's names are the same), `renamed` with the alias `short`, and `open/*`.
 * @param more further YAML, added to the file: `server: { … }`.
 * @param timeouts of the provider, as YAML.
 */
export async function startWired(t: Cleanup, more = '', timeouts = '{}'): Promise<Wired> {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(
    t,
    `
providers:
  scripted: { base_url: "${upstream.url}/v1", api_key: { env: SCRIPTED_KEY }, timeouts: ${timeouts} }
models:
  plain: { provider: scripted }
  llama3.1:8b: { provider: scripted }
  renamed: { provider: scripted, model: "${providerModel}", aliases: [short] }
  "open/*": { provider: scripted, model: "*" }
logging: { format: json }
${unless(more, 'rate_limit_settings', '{ per_client: {} }')}
${unless(more, 'routing', '{ retries: 0, cooldown_ms: 0 }')}
${more}
`,
    { SCRIPTED_KEY: providerKey },
  )
  return { gateway, upstream }
}

/** A default that the test's own YAML replaces. */
function unless(yaml: string, key: string, value: string): string {
  return yaml.includes(`${key}:`) ? '' : `${key}: ${value}`
}

/** What the SDK sent, request by request. */
export interface Sent {
  readonly path: string
  readonly contentType: string | null
  readonly body: Buffer
}

export interface RecordedClient {
  readonly openai: OpenAI
  readonly sent: readonly Sent[]
}

/** The SDK, pointed at the gateway as a user would, without its own retries. */
export function recordedClient(gateway: TestGateway, options: ClientOptions = {}): RecordedClient {
  const sent: Sent[] = []
  const openai = new OpenAI({
    apiKey: 'not-needed',
    baseURL: `${gateway.url}/v1`,
    maxRetries: 0,
    async fetch(url, init) {
      // The SDK looks by a `data:` URL whether this fetch knows forms.
      if (typeof url === 'string' && url.startsWith('data:')) return fetch(url, init)
      const request = new Request(url, init)
      const { headers, method, signal } = request
      const body = Buffer.from(await request.arrayBuffer())
      sent.push({ path: new URL(request.url).pathname, contentType: headers.get('content-type'), body })
      return fetch(request.url, { headers, method, signal, ...(body.length > 0 && { body }) })
    },
    ...options,
  })
  return { openai, sent }
}

/** `test` with a gateway, a provider and the SDK. */
export async function startWithClient(t: Cleanup, options?: ClientOptions): Promise<Wired & RecordedClient> {
  const wired = await startWired(t)
  return { ...wired, ...recordedClient(wired.gateway, options) }
}

/** Every kind of path that there is; guards stand before all of them. */
export const requests: readonly [line: `${string} ${string}`, body?: string][] = [
  ['POST /v1/chat/completions', '{"model":"plain","messages":[]}'],
  ['GET /v1/models'],
  ['GET /healthz'],
  ['GET /readyz'],
  ['GET /nowhere'],
  ['DELETE /v1/models'],
  ['OPTIONS /v1/chat/completions'],
  ['OPTIONS *'],
]
