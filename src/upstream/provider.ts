// What the call's story knows of a provider: something that takes a request and pushes an answer back.
import type { HttpProvider, Timeouts } from '../config/types.ts'
import type { SplicedBody } from '../http/large-body.ts'

/** One request to a provider, ready to send. Nothing in it was chosen by the client but the checked values named here. */
export interface ProviderRequest {
  /** Below the provider's base URL: `/chat/completions`. */
  readonly path: string
  readonly body: Buffer | SplicedBody
  /** `application/json`, or multipart with the boundary of `body`. */
  readonly contentType: string
  /** Whether the client asked for a stream. */
  readonly isStream: boolean
  readonly requestId: string
}

/** Status and headers of an answer. Header names are in lower case. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/**
 * Why an exchange ended early. `unreachable`: nothing was sent. `broken`: the connection ended or what came was no
 * HTTP. The detail is for people and holds no secret.
 */
export interface ProviderFailure {
  readonly kind: 'unreachable' | 'broken' | 'timeout'
  /** The system's or the client library's code: `ECONNREFUSED`, `UND_ERR_SOCKET`. */
  readonly code: string
  readonly detail: string
}

/** Receives an answer as it arrives: `onHead`, any `onData`, then one of the two ends. Must not throw. */
export interface AnswerSink {
  onHead(head: AnswerHead): void
  onData(chunk: Buffer): void
  onEnd(): void
  onFailure(failure: ProviderFailure): void
}

/** The sender's end of an exchange under way. */
export interface Exchange {
  /** False until a connection stands and the request goes out on it. */
  readonly wasSent: boolean
  /** No `onData` comes until `resume`, save for what is already on its way. */
  pause(): void
  resume(): void
  /** Ends the provider's request at once; the sink hears nothing more. Calling it again changes nothing. */
  abort(): void
}

export interface Provider {
  readonly name: string
  readonly timeouts: Timeouts
  /** On this machine or its network: patience is right, failures pass soon, and caches belong to a server. */
  readonly isLocal: boolean
  readonly includeUsage: HttpProvider['includeUsage']
  readonly maxParallelRequests: number | undefined
  /** Takes the provider's own secrets out of what it sent. */
  mask(text: string): string
  send(request: ProviderRequest, sink: AnswerSink): Exchange
  /** A GET of `path` below the base URL, with the provider's key and headers: what it has, how it is. */
  get(path: string, sink: AnswerSink): Exchange
  /** Whether it answers at all, within `timeoutMs`; for the start-up lines. Never throws. */
  check(timeoutMs: number): Promise<{ readonly isReachable: boolean; readonly detail: string }>
  /** Ends idle connections and lets open exchanges finish. */
  close(): Promise<void>
}
