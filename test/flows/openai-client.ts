// The official SDK in front of a gateway, its bytes recorded.
import OpenAI from 'openai'
import type { ClientOptions } from 'openai'

import type { Cleanup } from '../support/scripted-upstream.ts'
import { type Running, type TestGateway, startGateway } from '../support/app.ts'

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

/** A gateway with its provider, and the SDK. */
export async function startWithClient(
  t: Cleanup,
  options?: ClientOptions,
): Promise<Running & RecordedClient> {
  const running = await startGateway(t)
  return Object.assign(running, recordedClient(running.gateway, options))
}
