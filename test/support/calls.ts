// Calls of a gateway, and what `GET /v1/limits` reports of them.
import { messages } from './chat-content.ts'
import { connectRaw, type RawClient, rawRequest } from './raw-client.ts'
import type { Cleanup } from './scripted-upstream.ts'

type At = { readonly url: string }

/** One entry of `GET /v1/limits`, as far as tests look at it. */
export interface Report {
  readonly model: string
  readonly limits: Record<string, unknown>
  readonly used: { readonly requests: number; readonly tokens: number; readonly parallel: number }
  readonly remaining: Record<string, number | null>
  readonly next_ms: Record<string, number | null>
  readonly reset_ms: Record<string, number | null>
  readonly waiting: number
  readonly calibration: readonly Record<string, unknown>[]
}

/** Sends a call and gives the response as soon as its head is there. */
export function post(
  gateway: At,
  body: object | string,
  options: {
    readonly path?: string
    readonly signal?: AbortSignal
    readonly headers?: Readonly<Record<string, string>>
  } = {},
): Promise<Response> {
  return fetch(`${gateway.url}${options.path ?? '/v1/chat/completions'}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(options.signal && { signal: options.signal }),
  })
}

/** A whole chat call, to its end. */
export async function chat(
  gateway: At,
  model: string,
  more: object = {},
): Promise<{ status: number; headers: Headers; body: string }> {
  const response = await post(gateway, { model, messages, ...more })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

export async function reports(gateway: At): Promise<Report[]> {
  const response = await fetch(`${gateway.url}/v1/limits`)
  return ((await response.json()) as { data: Report[] }).data
}

export async function report(gateway: At, model = 'small'): Promise<Report> {
  const found = (await reports(gateway)).find((each) => each.model === model)
  if (found === undefined) throw new Error(`no report on ${model}`)
  return found
}

/** Requests, tokens and calls under way of a model. */
export async function used(gateway: At, model = 'small'): Promise<Report['used']> {
  return (await report(gateway, model)).used
}

/** `GET /v1/models`: the entries by their ids. */
export async function modelsOf(gateway: At): Promise<ReadonlyMap<string, Record<string, unknown>>> {
  const response = await fetch(`${gateway.url}/v1/models`)
  const { data } = (await response.json()) as { data: ({ id: string } & Record<string, unknown>)[] }
  return new Map(data.map((entry) => [entry.id, entry]))
}

/** A chat call on a connection of its own, sent. */
export async function sendChat(t: Cleanup, gateway: At, more: object = {}): Promise<RawClient> {
  const client = await connectRaw(t, gateway.url)
  const body = JSON.stringify({ model: 'small', messages, ...more })
  client.send(rawRequest('POST /v1/chat/completions', {}, body))
  return client
}
