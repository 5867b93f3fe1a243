// Probes for somebody who examines a provider: sent as a call would be, over connections of their own, whose opening is
// timed.
import { buildConnector, type Dispatcher } from 'undici'
import type { HttpProvider } from '../config/types.ts'
import { Connections } from './connections.ts'
import { createMask } from './mask.ts'
import { BoundedResponse, type ProbeClock, type ProbeOutcome, type ProbeRequest } from './probe.ts'
import { headersOf, secretsOf } from './send.ts'

interface TimedProbeRequest extends ProbeRequest {
  /** JSON to post; without it the request is a GET. */
  readonly body?: string
}

export interface TimedProbe {
  send(request: TimedProbeRequest): Promise<ProbeOutcome>
  /** Time to open the latest connection in milliseconds, TLS included; undefined before the first one. */
  connectMs(): number | undefined
  /** Replaces the provider's own secrets in text that it sent. */
  mask(text: string): string
  close(): Promise<void>
}

export function createTimedProbe(config: HttpProvider, userAgent: string, clock: ProbeClock): TimedProbe {
  let connectMs: number | undefined
  const connect = buildConnector({ timeout: config.timeouts.connectMs, allowH2: false })
  const connections = new Connections(config.origin, (options, callback) => {
    const startedAtMs = clock.now()
    return connect(options, (...result) => {
      if (result[0] === null) connectMs = clock.now() - startedAtMs
      callback(...result)
    })
  })
  const headers = headersOf(config, userAgent)
  return {
    mask: createMask(secretsOf(config)),
    connectMs: () => connectMs,
    close: () => connections.destroy(),
    send(request) {
      const { promise, resolve } = Promise.withResolvers<ProbeOutcome>()
      const isPost = request.body !== undefined
      const posted = ['content-type', 'application/json', 'accept', 'text/event-stream, application/json']
      const options: Dispatcher.DispatchOptions = {
        path: config.basePath + request.path,
        method: isPost ? 'POST' : 'GET',
        headers: isPost ? [...headers, ...posted] : headers,
        ...(isPost && { body: request.body }),
      }
      new BoundedResponse(request, clock, resolve).begin((handler) => connections.send(options, handler))
      return promise
    },
  }
}
