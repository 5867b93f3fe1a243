// A gateway with limits, a clock that the test moves, and a scripted provider; and what `GET /v1/limits` says of it.
import { type Chosen, startGateway, type TestGateway } from '../support/app.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type Cleanup, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json, type Step } from '../support/upstream-script.ts'

export interface Limited {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
  readonly clock: FakeClock
}

/** One entry of `GET /v1/limits`, as far as tests look at it. */
export interface Report {
  readonly model: string
  readonly limits: Record<string, unknown>
  readonly used: { readonly requests: number; readonly tokens: number; readonly parallel: number }
  readonly remaining: Record<string, number | null>
  readonly reset_ms: Record<string, number | null>
  readonly waiting: number
  readonly calibration: readonly Record<string, unknown>[]
}

/**
 * A gateway whose models `small` and `other` are served by one provider, with these limits (YAML of
 * `rate_limit_settings`), and `whole()` as the provider's answer to everything that is not scripted.
 */
export async function startLimited(
  t: Cleanup,
  limits: string,
  more: { readonly provider?: string; readonly stateDirectory?: string; readonly clock?: FakeClock } = {},
): Promise<Limited> {
  const upstream = await startUpstream(t)
  upstream.answerAlways(whole())
  const clock = more.clock ?? new FakeClock()
  const yaml = configText(upstream.url, limits, more.provider)
  const chosen: Chosen = { clock, ...(more.stateDirectory && { stateDirectory: more.stateDirectory }) }
  return { gateway: await startGateway(t, yaml, {}, chosen), upstream, clock }
}

/** The configuration that `startLimited` uses, for a second gateway on the same provider. */
export function configText(url: string, limits: string, provider = ''): string {
  return `
providers:
  scripted: { base_url: "${url}/v1", ${provider} }
models:
  small: { provider: scripted, model: deep, aliases: [short] }
  other: { provider: scripted }
access: { allowed_users: [any] } # clients are told apart by address then, whoever runs the tests
rate_limit_settings: ${limits}
routing: { retries: 0, cooldown_ms: 0 }
logging: { format: json }
`
}

/** A whole chat answer of 7 + 5 tokens. */
export function whole(
  usage: unknown = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
): Iterable<Step> {
  const message = { role: 'assistant', content: 'Hi!' }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  const answer = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, usage }
  return json(200, answer) as Iterable<Step>
}

/** The data of a chat chunk. */
export function delta(content: string, more: object = {}): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }]
  return JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices,
    ...more,
  })
}

/** The data of the extra event with usage. */
export function usageEvent(usage: unknown): string {
  return JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [],
    usage,
  })
}

export const messages = [{ role: 'user' as const, content: 'hi' }]

/** Sends a call and gives the answer as soon as its head is there. */
export function post(
  gateway: Pick<TestGateway, 'url'>,
  body: object | string,
  options: { readonly path?: string; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${gateway.url}${options.path ?? '/v1/chat/completions'}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(options.signal && { signal: options.signal }),
  })
}

/** A whole chat call, to its end. */
export async function chat(
  gateway: Pick<TestGateway, 'url'>,
  model: string,
  more: object = {},
): Promise<{ status: number; headers: Headers; body: string }> {
  const response = await post(gateway, { model, messages, ...more })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

export async function reports(gateway: Pick<TestGateway, 'url'>): Promise<Report[]> {
  const response = await fetch(`${gateway.url}/v1/limits`)
  return ((await response.json()) as { data: Report[] }).data
}

export async function report(gateway: Pick<TestGateway, 'url'>, model = 'small'): Promise<Report> {
  const found = (await reports(gateway)).find((each) => each.model === model)
  if (found === undefined) throw new Error(`no report on ${model}`)
  return found
}

/** Requests, tokens and calls under way of a model. */
export async function used(gateway: Pick<TestGateway, 'url'>, model = 'small'): Promise<Report['used']> {
  return (await report(gateway, model)).used
}
