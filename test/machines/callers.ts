// Callers of one gateway, each of which sends the next call when it has the answer to the last one.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import { monotonicMs } from './provider.ts'

export interface Load {
  readonly callers: number
  /** Between an answer and the next call. */
  readonly pauseMs: number
  /** After a refusal or a failure. */
  readonly refusedPauseMs: number
  readonly maxTokens: number
  readonly model: string
}

/** Where a gateway is called. */
export interface Door {
  readonly url: string
  /** In place of the address: it is reached from other hosts too. */
  readonly socketPath?: string
}

export interface Calls {
  /** Responses by status; 0: there was none. */
  readonly statuses: Map<number, number>
  /** Of the last response that was no 200. */
  refusal: string
  /** Ends when the calls under way have. */
  stop(): Promise<void>
}

export function startCallers(door: Door, load: Load): Calls {
  const { callers, pauseMs, refusedPauseMs } = load
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const over = new AbortController()
  const calls = { statuses: new Map<number, number>(), refusal: '', stop }
  const running = Array.from({ length: callers }, async () => {
    while (!over.signal.aborted) {
      const { status, text } = await call(agent, door, load, over.signal)
      if (over.signal.aborted && status === 0) break
      calls.statuses.set(status, (calls.statuses.get(status) ?? 0) + 1)
      if (status !== 200) calls.refusal = text
      const ms = status === 200 ? pauseMs : refusedPauseMs
      if (ms > 0) await sleep(ms, undefined, { signal: over.signal }).catch(() => {})
    }
  })
  async function stop(): Promise<void> {
    over.abort()
    await Promise.all(running)
    agent.destroy()
  }
  return calls
}

/** Never rejects. */
export function call(
  agent: Agent,
  { url, socketPath }: Door,
  { model, maxTokens }: Pick<Load, 'maxTokens' | 'model'>,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve) => {
    const sent = request(`${url}/v1/chat/completions`, {
      agent,
      signal,
      ...(socketPath !== undefined && { socketPath }),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    sent.on('error', (error) => resolve({ status: 0, text: String(error) }))
    sent.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, text }))
      response.on('error', (error) => resolve({ status: 0, text: String(error) }))
    })
    const messages = [{ role: 'user', content: monotonicMs().toFixed(3) }]
    sent.end(JSON.stringify({ model, max_tokens: maxTokens, messages }))
  })
}
