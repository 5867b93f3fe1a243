// Tracing of one thread: begins the traces of calls, and hands those that have ended to the exporter, which is loaded once a
// receiver is configured.
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../../config/types.ts'
import type { TracingConfig } from '../../config/observe-types.ts'
import { isRequestId } from '../../http/headers.ts'
import { exchange } from '../../outbound/exchange.ts'
import type { Clock } from '../../platform/clock.ts'
import { reasonOf } from '../../platform/thrown.ts'
import type { GatewayEvent, Sink } from '../events.ts'
import type { CallFacts } from '../events/calls.ts'
import type { CallTrace, TracedRequest, TraceEvent, Tracing } from '../events/trace.ts'
import { newId, PassedTrace, RecordedTrace } from './call-trace.ts'
import type { SpanExport } from './export-spans.ts'
import type { ProviderPlace } from './spans.ts'
import { isSampledById, readTraceHeaders } from './traceparent.ts'

interface TracingParts extends Pick<Clock, 'now' | 'wallNow'> {
  readonly emit: (event: TraceEvent) => void
  readonly version: string
  /** Whether a key of a client stands in a text. */
  readonly holdsKey: (text: string) => boolean
}

type EndedCall = readonly [call: CallFacts, trace: RecordedTrace, epochMs: number]

/** Calls that end while the exporter is being loaded, which takes a tenth of a second. */
const maxEarly = 500

export class CallTracing implements Tracing, Sink {
  readonly name = 'spans'
  readonly wants = isEndOfCall
  readonly #parts: TracingParts
  #config: TracingConfig | undefined
  #followed: unknown
  #export: SpanExport | undefined
  #loading: Promise<unknown> | undefined
  readonly #early: EndedCall[] = []

  constructor(parts: TracingParts) {
    this.#parts = parts
  }

  /** Goes over to a configuration; the exporter stays while nothing of it changes. */
  follow({ tracing, providers }: Pick<Config, 'providers' | 'tracing'>): void {
    const places = placesOf(providers)
    const followed = { tracing, keys: keysOf(tracing), places }
    if (isDeepStrictEqual(followed, this.#followed)) return
    this.#followed = followed
    this.#config = tracing
    void this.#close()
    const { endpoint } = tracing
    if (endpoint !== undefined) this.#loading = this.#load({ ...tracing, endpoint }, places)
  }

  begin({ method, path, rawHeaders, startedAtMs }: TracedRequest): CallTrace | undefined {
    const incoming = readTraceHeaders(rawHeaders)
    const config = this.#config
    if (config?.endpoint === undefined) return incoming && new PassedTrace(incoming)
    const traceId = incoming?.parent.traceId ?? newId(16)
    const isSampled = incoming?.parent.isSampled ?? isSampledById(traceId, config.sampleRatio)
    const sessionId = isSampled ? this.#sessionOf(rawHeaders, config.sessionHeaders) : undefined
    return new RecordedTrace({ method, path, startedAtMs, incoming, sessionId, traceId, isSampled })
  }

  receive(event: GatewayEvent): void {
    if (event.kind !== 'call_ended' || !(event.trace instanceof RecordedTrace) || !event.trace.isSampled)
      return
    const { now, wallNow } = this.#parts
    const ended: EndedCall = [event.call, event.trace, wallNow() - now()]
    if (this.#export !== undefined) this.#export.add(...ended)
    else if (this.#loading !== undefined && this.#early.length < maxEarly) this.#early.push(ended)
  }

  /** The first of the headers that is there with a plain value of at most 128 characters, which is no key. */
  #sessionOf(rawHeaders: readonly string[], names: readonly string[]): string | undefined {
    for (const name of names) {
      for (let index = 0; index < rawHeaders.length; index += 2) {
        const value = rawHeaders[index + 1]
        if (rawHeaders[index]!.toLowerCase() === name && isRequestId(value) && !this.#parts.holdsKey(value)) {
          return value
        }
      }
    }
    return undefined
  }

  /** Sends the last spans, for a second at most. */
  async stop(): Promise<void> {
    await this.#loading
    this.#config = undefined
    await this.#close()
  }

  /** Never rejects. */
  async #load(config: TracingConfig & { readonly endpoint: string }, places: Places): Promise<void> {
    try {
      await this.#open(config, places)
    } catch (error) {
      const reason = reasonOf(error)
      this.#parts.emit({ kind: 'exporter_failed', endpoint: new URL(config.endpoint).origin, reason })
    }
  }

  async #open(config: TracingConfig & { readonly endpoint: string }, places: Places): Promise<void> {
    const { emit, version, wallNow } = this.#parts
    const followed = this.#followed
    const module = await import('./export-spans.ts')
    if (this.#followed !== followed) return
    this.#export = new module.SpanExport({ config, version, places, emit, wallNow, exchange })
    for (const ended of this.#early.splice(0)) this.#export.add(...ended)
  }

  async #close(): Promise<void> {
    const before = this.#export
    this.#export = undefined
    this.#loading = undefined
    await before?.close()
  }
}

type Places = ReadonlyMap<string, ProviderPlace>

function placesOf(providers: Config['providers']): Places {
  const places = new Map<string, ProviderPlace>()
  for (const [name, provider] of providers) {
    if (provider.kind === 'echo') continue
    const { hostname, port, protocol } = new URL(provider.origin)
    const usual = protocol === 'https:' ? 443 : 80
    places.set(name, { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usual : Number(port) })
  }
  return places
}

/** Secrets compare as equal, whatever they hold. */
function keysOf({ headers }: TracingConfig): string[] {
  return headers.map(([, value]) => (typeof value === 'string' ? value : value.reveal()))
}

function isEndOfCall(kind: GatewayEvent['kind']): boolean {
  return kind === 'call_ended'
}
