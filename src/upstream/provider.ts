// A provider as a call sees it: it accepts a request and pushes the response back.
import type { HttpProvider, ProviderConfig, ProviderTraits, Timeouts } from '../config/provider-types.ts'
import type { ResponseHead } from '../domain.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { SplicedBody } from '../bytes/large-body.ts'
import type { ErrorReader } from './error-meaning.ts'
import type { Mask } from './mask.ts'

/** One request to a provider, ready to send. Nothing in it was chosen by the client but what is named here. */
export interface ProviderRequest {
  /** Below the provider's base URL: `/chat/completions`. */
  readonly path: string
  /** The client's, with its `?`, or empty. */
  readonly query: string
  /** The client's, as far as its format carries them: names in lower case and values in turn. A name may be repeated. */
  readonly headers: readonly string[]
  readonly body: Buffer | SplicedBody
  /** `application/json`, or multipart with the boundary of `body`. */
  readonly contentType: string
  /** Whether the client asked for a stream. */
  readonly isStream: boolean
  readonly requestId: string
  /** What the request may not leave, whatever addresses the provider's name has. Absent: nothing. */
  readonly boundary?: Boundary | undefined
  /** The model that gets the prompt, by the provider's name for it. Absent: none does, or no boundary depends on it. */
  readonly model?: string | undefined
}

/** A body that goes on while it arrives. */
export interface StreamedBody {
  /** Read once, one piece at a time. */
  readonly pieces: AsyncIterable<Buffer>
  /** In bytes; undefined: not known before the end. */
  readonly length: number | undefined
}

/** A request of any route of the provider's API, which passes as the client sent it. */
export interface PassedRequest {
  readonly method: string
  /** Below the provider's base URL; without characters that a router could decode or resolve. */
  readonly path: string
  /** The client's, with its `?`, or empty. */
  readonly query: string
  /** The client's, by an allow-list, and the call's trace: names in lower case, and values. Those of the configuration win. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer | SplicedBody | StreamedBody | undefined
  readonly requestId: string
  /** As of `ProviderRequest`, both. */
  readonly boundary?: Boundary | undefined
  readonly model?: string | undefined
}

/**
 * Why an exchange ended early. `unreachable`: nothing was sent. `unconnectable`: nor could it be, because the gateway has
 * no file descriptor left. `broken`: the connection ended, or what arrived was not HTTP. The detail is written for people and holds no secret.
 */
export interface ProviderFailure {
  readonly kind: 'unreachable' | 'unconnectable' | 'broken' | 'timeout'
  /** The system's or the client library's code: `ECONNREFUSED`, `UND_ERR_SOCKET`. */
  readonly code: string
  readonly detail: string
}

/** The code of a provider that goes on with the request, while its response can't be read. */
export const unaskedContinue = 'UNASKED_CONTINUE'

/** The code of a body that is not in the content coding that its head names. The detail is a clause about the provider. */
export const undecodable = 'UNDECODABLE'

/** The code of a connection that was not made: the provider's address is outside the boundary of its calls. */
export const addressNotAllowed = 'ADDRESS_NOT_ALLOWED'

/** Receives a response as it arrives: `onHead`, any `onData`, then one of the two ends. Must not throw. */
export interface ResponseHandler {
  onHead(head: ResponseHead): void
  onData(chunk: Buffer): void
  /** All that one read of the connection brought has been handed over. Follows an `onData` during which `isReading` was true. */
  onRest?(): void
  onEnd(): void
  onFailure(failure: ProviderFailure): void
}

/** The sender's end of an exchange under way. */
export interface Exchange {
  /** False until a connection is open and the request goes out on it. */
  readonly wasSent: boolean
  /** During `onData`: more may follow at once, and `onRest` or one of the ends does. Absent: never. */
  readonly isReading?: boolean
  /** No `onData` follows until `resume`, except for data that is already on its way. */
  pause(): void
  resume(): void
  /** Ends the provider's request at once; the handler is not called again. Repeating it changes nothing. */
  abort(): void
}

/** `progress`: it can also report how far it is with a prompt, as llama.cpp does. */
export type WholeAsStream = 'plain' | 'progress'

export interface Provider {
  readonly name: string
  /** Which server it is, whose own routes differ. */
  readonly kind: ProviderConfig['kind']
  /** Whether clients may change the server for all of its clients. */
  readonly allowsManagement: boolean
  /** Of its base URL, for messages. */
  readonly host: string
  /** The narrowest boundary that requests to it can be kept in. */
  readonly boundary: Boundary
  /** The narrowest boundary that all of its connections stay in, also those of requests without a boundary. */
  readonly staysIn: Boundary
  /**
   * Whether its server passes calls of a model on to a server elsewhere, as far as its name for the model shows; a request within a
   * boundary looks further. Absent: of none.
   */
  readonly passesOn?: (model: string) => boolean
  readonly timeouts: Timeouts
  /** On this machine or its network: loading takes long, failures pass soon, and caches belong to one server. */
  readonly isLocal: boolean
  /** Whether its server is started when it is called: a request enters it first (`Coordinator.visitService`, `Hold.enterService`). */
  readonly hasService: boolean
  /** Whether its requests carry the trace of their call; `auto`: to a local one, while spans are recorded. */
  readonly traceContext: 'auto' | 'always' | 'never'
  readonly includeUsage: HttpProvider['includeUsage']
  /** How whole answers are asked for as streams, of which they are put together. Absent: they are not. */
  readonly wholeAsStream?: WholeAsStream | undefined
  /** `auto`: as many as its server reports, or is seen to work at together. */
  readonly maxParallelRequests: number | 'auto' | undefined
  /**
   * Whether it accepts requests of the format with this name (`ProviderDialect.name`), by its settings and its kind.
   * Undefined: it is probed (call/spoken-formats.ts).
   */
  readonly speaks: (format: string) => boolean | undefined
  /** What translations assume of a model, by the provider's name for it. */
  readonly traitsOf: (model: string) => ProviderTraits
  readonly meaningOf: ErrorReader
  /** Replaces the provider's own secrets in text that it sent. */
  readonly mask: Mask
  send(request: ProviderRequest, handler: ResponseHandler): Exchange
  /** A request of another route than those of model calls. */
  pass(request: PassedRequest, handler: ResponseHandler): Exchange
  /** A GET of `path` below the base URL, with the provider's key and headers: its models, its health. */
  get(path: string, handler: ResponseHandler): Exchange
  /** Its server has ended: no further request uses the connections that there are. Absent: it has none. */
  retireConnections?(): void
  /** Ends idle connections and lets open exchanges finish. */
  close(): Promise<void>
}
