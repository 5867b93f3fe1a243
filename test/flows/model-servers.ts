// Servers that list models, a gateway that asks them, and what its clients get.
import type { TestContext } from 'node:test'

import { listOf } from '../fixtures/model-lists.ts'
import type { RawProvider } from '../../src/config/raw.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json, type Script } from '../support/upstream-script.ts'
import { type Running, type TestGateway, startGateway } from '../support/app.ts'
import { type Setup, at } from '../support/gateway-config.ts'

/** Longer than a local provider's lists are looked at again, by whatever chance decides. */
export const refreshMs = 33_001

export interface ModelServer extends ScriptedUpstream {
  /** The models that it lists from now on; whatever it is asked for, it answers. */
  has(...ids: readonly unknown[]): void
  /** What it answers to `GET /v1/models` from now on. */
  lists(answer: Script): void
  /** What it answers to calls from now on. */
  respondsToCalls(answer: Script): void
  /** Requests for the list so far. */
  listings(): readonly ReceivedRequest[]
  /** Models of the calls so far, by the names that came here. */
  called(): readonly string[]
}

export async function startModelServer(t: TestContext, ...ids: readonly unknown[]): Promise<ModelServer> {
  const upstream = await startUpstream(t)
  let list: Script = json(200, listOf(...ids))
  let reply: Script = json(200, { id: 'x', object: 'chat.completion', choices: [] })
  upstream.respondAlways(({ method }) => (method === 'GET' ? list : reply))
  const received = (method: string) => upstream.requests.filter((request) => request.method === method)
  return Object.assign(upstream, {
    has: (...now: readonly unknown[]) => void (list = json(200, listOf(...now))),
    lists: (answer: Script) => void (list = answer),
    respondsToCalls: (answer: Script) => void (reply = answer),
    listings: () => received('GET'),
    called: () => received('POST').map(({ body }) => String(JSON.parse(body.toString()).model)),
  })
}

export interface Discovering extends Running<string> {
  readonly clock: FakeClock
}

/** The servers as providers that list their models, besides `echo`; the only model of the file is `echo`, too. */
export function discovering(
  servers: Readonly<Record<string, { url: string }>>,
  more: Setup = {},
  provider: RawProvider = { discover_models: true },
): Setup {
  const ofServer = { api_key: { env: 'SCRIPTED_KEY' }, ...provider }
  const providers = Object.entries(servers).map(([name, server]) => [name, at(server, ofServer)] as const)
  return {
    providers: { echo: { kind: 'echo' }, ...Object.fromEntries(providers) },
    models: { echo: { provider: 'echo' } },
    ...more,
  }
}

/** A gateway whose time stands still, and whose providers have each sent their list. */
export async function startDiscovering(
  t: TestContext,
  servers: Readonly<Record<string, { url: string }>>,
  more?: Setup,
): Promise<Discovering> {
  const started = await startAsking(t, servers, more)
  for (const provider of Object.keys(servers)) {
    await started.gateway.logged({ event: 'models_discovered', provider })
  }
  return started
}

/** A gateway whose time stands still, and which has just begun to ask. */
export async function startAsking(
  t: TestContext,
  servers: Readonly<Record<string, { url: string }>>,
  more?: Setup,
): Promise<Discovering> {
  const clock = new FakeClock()
  return Object.assign(await startGateway(t, discovering(servers, more), { clock }), { clock })
}

export interface CallResult {
  readonly status: number
  /** Of the gateway's own error. */
  readonly code: string | undefined
  readonly provider: string | undefined
  readonly message: string
}

export async function call(t: TestContext, { url }: TestGateway, model: string): Promise<CallResult> {
  const body = JSON.stringify({ model, messages: [] })
  const response = await exchange(t, url, rawRequest('POST /v1/chat/completions', {}, body))
  return {
    status: response.status,
    code: response.header('x-llm-gateway-error'),
    provider: response.header('x-llm-gateway-provider'),
    message: JSON.parse(response.body().toString()).error?.message ?? '',
  }
}

/** `GET /v1/models`: name → who has it. */
export async function offered(t: TestContext, { url }: TestGateway): Promise<Record<string, string>> {
  const response = await exchange(t, url, rawRequest('GET /v1/models'))
  const { data } = JSON.parse(response.body().toString()) as { data: { id: string; owned_by: string }[] }
  return Object.fromEntries(data.map(({ id, owned_by: owner }) => [id, owner]))
}

/** Log lines of one event. */
export function eventsOf(gateway: TestGateway, event: string): Record<string, unknown>[] {
  return gateway.log().filter((line) => line['event'] === event)
}
