// A provider that notes, with one clock for all gateways, when each call has arrived and from which gateway.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Server as Listener, Socket } from 'node:net'

import type { Cleanup } from '../support/scripted-upstream.ts'

export interface Arrival {
  /** When the call came here, of the system's monotonic clock in milliseconds, as the other times. */
  readonly atMs: number
  /** When its caller sent it: the gateway has admitted it between the two. */
  readonly sentMs: number
  /** The gateway that it came through, from 0. */
  readonly gateway: number
  /** What the answer says that it used. */
  readonly tokens: number
  /** When the answer was given; undefined while it is under way. */
  endMs: number | undefined
}

export interface Provider {
  readonly port: number
  /** Of the model `plain`. */
  readonly arrivals: readonly Arrival[]
  /** How long calls take. Default: 0. */
  holdMs: number
  /** Serves the connections of this listener too. @returns its port. */
  serve(listener: Listener): number
}

/** Of all processes of this machine the same, whatever their wall clocks say. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The call of a gateway comes to `/GATEWAY/v1/chat/completions`; its message is the time at which it was sent. */
export async function startProvider(t: Cleanup, host = '127.0.0.1'): Promise<Provider> {
  const arrivals: Arrival[] = []
  const provider = { port: 0, arrivals, holdMs: 0, serve }
  const server = createServer((request, response) => {
    if (request.method === 'POST') void take(request, response)
    else response.writeHead(404).end()
  })
  function serve(listener: Listener): number {
    listener.on('connection', (socket: Socket) => server.emit('connection', socket))
    return (listener.address() as AddressInfo).port
  }
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const atMs = monotonicMs()
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const {
      model,
      max_tokens: completion = 1,
      messages,
    } = JSON.parse(text) as {
      model: string
      max_tokens?: number
      messages: { content: string }[]
    }
    const usage = { prompt_tokens: 4, completion_tokens: completion, total_tokens: 4 + completion }
    const gateway = Number(request.url!.split('/')[1])
    const sentMs = Number(messages[0]!.content)
    const arrival: Arrival = { atMs, sentMs, gateway, tokens: usage.total_tokens, endMs: undefined }
    if (model === 'plain') arrivals.push(arrival)
    if (provider.holdMs > 0) await new Promise((resolve) => setTimeout(resolve, provider.holdMs))
    const message = { role: 'assistant', content: 'yes' }
    arrival.endMs = monotonicMs()
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({
        id: 'c1',
        object: 'chat.completion',
        created: 1,
        model: 'plain',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage,
      }),
    )
  }
  // A gateway that was stopped for a minute still has its connections.
  server.keepAliveTimeout = 0
  server.listen(0, host)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  provider.port = (server.address() as AddressInfo).port
  return provider
}
