// Servers that list models, a gateway that asks them, and what its clients get.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

import { listOf } from '../fixtures/model-lists.ts'
import { startGateway, type TestGateway } from '../support/app.ts'
import { loadText } from '../support/config-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json, type Script } from '../support/upstream-script.ts'

/** Longer than a local provider's lists are looked at again, by whatever chance decides. */
export const refreshMs = 33_001

/** For the `env` of a provider's key. */
export const listKey = 'sk-lists-51c7d0'

export interface ModelServer extends ScriptedUpstream {
  /** The models that it lists from now on; whatever it is asked for, it answers. */
  has(...ids: readonly unknown[]): void
  /** What it answers to `GET /v1/models` from now on. */
  lists(answer: Script): void
  /** What it answers to calls from now on. */
  answersCalls(answer: Script): void
  /** Requests for the list so far. */
  listings(): readonly ReceivedRequest[]
  /** Models of the calls so far, by the names that came here. */
  called(): readonly string[]
}

export async function startModelServer(t: TestContext, ...ids: readonly unknown[]): Promise<ModelServer> {
  const upstream = await startUpstream(t)
  let list: Script = json(200, listOf(...ids))
  let reply: Script = json(200, { id: 'x', object: 'chat.completion', choices: [] })
  upstream.answerAlways(({ method }) => (method === 'GET' ? list : reply))
  const received = (method: string) => upstream.requests.filter((request) => request.method === method)
  return Object.assign(upstream, {
    has: (...now: readonly unknown[]) => void (list = json(200, listOf(...now))),
    lists: (answer: Script) => void (list = answer),
    answersCalls: (answer: Script) => void (reply = answer),
    listings: () => received('GET'),
    called: () => received('POST').map(({ body }) => String(JSON.parse(body.toString()).model)),
  })
}

export interface Discovering {
  readonly gateway: TestGateway
  readonly clock: FakeClock
}

/** @param more further YAML; `models: { echo: … }` is there unless it has models of its own. */
export function discoveringYaml(servers: Readonly<Record<string, { url: string }>>, more = ''): string {
  const providers = Object.entries(servers).map(
    ([name, { url }]) =>
      `  ${name}: { base_url: "${url}/v1", discover_models: true, api_key: { env: LIST_KEY } }\n`,
  )
  const models = /^models:/m.test(more) ? '' : 'models: { echo: { provider: echo } }\n'
  const routing = 'routing: { retries: 0, cooldown_ms: 0 }\n'
  const logging = 'logging: { format: json }\n'
  return `providers:\n  echo: { kind: echo }\n${providers.join('')}${models}${routing}${logging}${more}`
}

/** A gateway whose time stands still, and whose providers have each given their list. */
export async function startDiscovering(
  t: TestContext,
  servers: Readonly<Record<string, { url: string }>>,
  more = '',
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
  more = '',
): Promise<Discovering> {
  const clock = new FakeClock()
  const env = { LIST_KEY: listKey }
  return { clock, gateway: await startGateway(t, discoveringYaml(servers, more), env, { clock }) }
}

/** Has the gateway take over another configuration. */
export function reload(t: TestContext, gateway: TestGateway, yaml: string): void {
  const loaded = loadText(t, yaml, { env: { LIST_KEY: listKey } })
  assert.ok(loaded.ok, JSON.stringify(loaded))
  void gateway.app.reload(loaded.config)
}

export interface Answer {
  readonly status: number
  /** Of the gateway's own error. */
  readonly code: string | undefined
  readonly provider: string | undefined
  readonly message: string
}

export async function call(t: TestContext, { url }: TestGateway, model: string): Promise<Answer> {
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
