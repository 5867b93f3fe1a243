// A provider that fails at one position, alone or with a second one behind it, and what everybody saw of it.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { createTicker } from '../../src/call/ticker.ts'
import type { RawConfig, RawProvider } from '../../src/config/raw.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at, type Setup } from '../support/gateway-config.ts'
import { connectRaw, rawRequest, type RawClient, type RawResponse } from '../support/raw-client.ts'
import { refusingUrl, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { type Script, sse } from '../support/upstream-script.ts'
import { type TestGateway, startGateway } from '../support/app.ts'
import { sendChat, used } from '../support/calls.ts'
import { delta, usageEvent, whole } from '../support/chat-content.ts'

export type Form = 'whole' | 'streamed'

/** A fault, and what is to become of a call that meets it with two retries. */
export interface Fault {
  readonly what: string
  /** `refuses`: nobody listens. */
  readonly script: Script | 'refuses'
  readonly forms: readonly Form[]
  readonly status: number
  /** Of the gateway's own error; absent when the client gets the provider's response. */
  readonly code?: string
  /** Requests that the provider gets when there is no other one. */
  readonly tries: number
  /** Another target answers instead. */
  readonly moves: boolean
  /** Requests that the provider gets before the other one does; 1 if absent. */
  readonly triesBeforeMove?: number
  /** What the limits count when there is no other target; tokens `some` are an estimate above 0. */
  readonly charged: readonly [requests: number, tokens: number | 'some']
  /** The text that the client has seen when the provider's silence begins, for a provider that hangs. */
  readonly hangsAfter?: string
  /** Text that stands in the client's response once. */
  readonly once?: readonly string[]
}

export const both: readonly Form[] = ['whole', 'streamed']

/** For a `SkippingClock`: the conditions of the status page look every two seconds, without end. */
export const withoutConditions = { status: { enabled: false } } as const satisfies Setup

/** Time passes at once where the gateway pauses before a further attempt; its ticker runs by the test's time. */
export class SkippingClock implements Clock {
  readonly fake = new FakeClock()
  readonly now = this.fake.now
  readonly wallNow = this.fake.wallNow
  /** Pauses so far, in milliseconds. */
  readonly pausesMs: number[] = []
  isSkipping = true

  readonly setTimer = (fn: () => void, delayMs: number): (() => void) => {
    this.pausesMs.push(delayMs)
    if (this.isSkipping) setImmediate(() => this.fake.advance(delayMs))
    return this.fake.setTimer(fn, delayMs)
  }
}

export const good = { whole: whole(), streamed: sse([delta('good'), usageEvent(usage()), '[DONE]']) }

function usage(): object {
  return { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 }
}

export interface Scene {
  readonly gateway: TestGateway
  readonly clock: SkippingClock
}

/** A gateway with providers at these URLs. */
export async function startFaulty(
  t: TestContext,
  urls: Readonly<Record<string, string>>,
  more: {
    readonly models: RawConfig['models']
    readonly limits?: RawConfig['rate_limit_settings']
    readonly retries?: number
    /** Absent: servers that refuse connections are not waited for. */
    readonly restartWaitMs?: number
    /** Further settings of each provider. */
    readonly provider?: RawProvider
  },
): Promise<Scene> {
  const clock = new SkippingClock()
  const provider = { timeouts: { first_byte_ms: 5000, idle_ms: 5000 }, ...more.provider }
  const providers = Object.entries(urls).map(([name, url]) => [name, at({ url }, provider)] as const)
  const setup: Setup = {
    ...withoutConditions,
    providers: Object.fromEntries(providers),
    ...(more.models && { models: more.models }),
    access: { allowed_users: ['any'] },
    rate_limit_settings: more.limits ?? { limits: { small: { rpm: 10, tpm: 5000 } } },
    routing: { retries: more.retries ?? 2, restart_wait_ms: more.restartWaitMs ?? 0 },
  }
  const { gateway } = await startGateway(t, setup, { clock, ticker: createTicker(clock.fake) })
  return { gateway, clock }
}

/** A chat call on its own connection, sent. */
export function call(t: TestContext, { gateway }: Pick<Scene, 'gateway'>, form: Form): Promise<RawClient> {
  return sendChat(t, gateway, { stream: form === 'streamed' })
}

/** Lets what is on its way arrive. */
export async function roundTrips(t: TestContext, { gateway }: Pick<Scene, 'gateway'>): Promise<void> {
  const client = await connectRaw(t, gateway.url)
  for (let count = 0; count < 8; count++) {
    client.send(rawRequest('GET /healthz'))
    await client.response()
  }
  client.leave()
}

/** Tests of the fault: in each form, alone and with a second target. */
export function inject(fault: Fault): void {
  for (const form of fault.forms) {
    test(`${fault.what}, ${form}, alone: ${fault.code ?? fault.status}`, (t) => meetAlone(t, fault, form))
    const then = fault.moves ? 'the second target answers' : 'the second target is not asked'
    test(`${fault.what}, ${form}: ${then}`, (t) => meetWithSecond(t, fault, form))
  }
}

async function meetAlone(t: TestContext, fault: Fault, form: Form): Promise<void> {
  const { url, upstream } = await startFirst(t, fault)
  const scene = await startFaulty(t, { a: url }, { models: { small: { provider: 'a' } } })

  const response = await meet(t, scene, { fault, form, upstream })

  assertOwnEnd(response, fault)
  assert.equal(upstream?.requests.length ?? 0, fault.tries)
  const line = await scene.gateway.logged({ event: 'call' })
  assert.equal(line['status'], fault.status)
  assert.ok(Number(line['gateway_ms']) >= 0)
  await assertCharged(scene, fault.charged)
}

async function meetWithSecond(t: TestContext, fault: Fault, form: Form): Promise<void> {
  const { url, upstream } = await startFirst(t, fault)
  const second = await startUpstream(t)
  second.respondAlways(good[form])
  const models = { small: { targets: [{ provider: 'a' }, { provider: 'b', tier: 2 }] } }
  const scene = await startFaulty(t, { a: url, b: second.url }, { models })

  const response = await meet(t, scene, { fault, form, upstream })

  assert.equal(response.header('x-llm-gateway-provider'), fault.moves ? 'b' : 'a')
  assert.equal(second.requests.length, fault.moves ? 1 : 0)
  const line = await scene.gateway.logged({ event: 'call' })
  assert.equal(line['provider'], fault.moves ? 'b' : 'a')
  if (!fault.moves) {
    assertOwnEnd(response, fault)
    assert.equal(upstream?.requests.length ?? 0, fault.tries)
    return assertCharged(scene, fault.charged)
  }
  assert.equal(response.status, 200)
  assert.ok(response.complete)
  const body = response.body().toString()
  if (form === 'whole') assert.equal(JSON.parse(body).choices[0].message.content, 'Hi!')
  else assert.equal(body, `data: ${delta('good')}\n\ndata: [DONE]\n\n`)
  assert.equal(upstream?.requests.length ?? 0, upstream === undefined ? 0 : (fault.triesBeforeMove ?? 1))
  await assertCharged(scene, [1, 12])
}

interface Met {
  readonly fault: Fault
  readonly form: Form
  readonly upstream: ScriptedUpstream | undefined
}

async function meet(t: TestContext, scene: Scene, { fault, form, upstream }: Met): Promise<RawResponse> {
  const client = await call(t, scene, form)
  if (fault.hangsAfter !== undefined) {
    await upstream?.nextRequest()
    if (fault.hangsAfter !== '') await client.seen(fault.hangsAfter)
    await roundTrips(t, scene)
    scene.clock.fake.advance(5300)
  }
  return client.response()
}

async function startFirst(
  t: TestContext,
  { script }: Fault,
): Promise<{ url: string; upstream: ScriptedUpstream | undefined }> {
  if (script === 'refuses') return { url: await refusingUrl(t), upstream: undefined }
  const upstream = await startUpstream(t)
  upstream.respondAlways(script)
  return { url: upstream.url, upstream }
}

function assertOwnEnd(response: RawResponse, { status, code, once = [] }: Fault): void {
  const body = response.body().toString()
  assert.equal(response.status, status, body)
  assert.ok(response.complete)
  if (status !== 200) assert.equal(response.header('x-llm-gateway-error'), code)
  if (code !== undefined) assert.equal(body.split(`"code":"${code}"`).length, 2, body)
  for (const text of once) assert.equal(body.split(text).length, 2, body)
  assert.ok(!body.includes('good'))
}

async function assertCharged({ gateway }: Scene, [requests, tokens]: Fault['charged']): Promise<void> {
  const found = await used(gateway)
  assert.deepEqual([found.requests, found.parallel], [requests, 0])
  if (tokens === 'some') assert.ok(found.tokens > 0 && found.tokens < 100, `${found.tokens}`)
  else assert.equal(found.tokens, tokens)
}
