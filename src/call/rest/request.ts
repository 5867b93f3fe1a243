// A request that is no model call, its head read.
import type { NativeRoute } from '../../dialects/native/routes.ts'
import type { ApiRoute } from '../../dialects/openai/api-routes.ts'
import type { Client } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import type { Boundary } from '../../platform/boundary.ts'
import type { LargeBody, MemoryShare } from '../../bytes/large-body.ts'
import type { StreamedBody } from '../../upstream/provider.ts'
import type { Reply } from '../call.ts'
import type { Upload } from '../response/time-limits.ts'

/** A body that goes on while it arrives. */
export interface IncomingUpload extends StreamedBody, Upload {
  /** What the client did wrong, once it has. */
  readonly problem: GatewayError | undefined
  /** Nothing more of it is read. */
  abandon(): void
}

/** Where a request of a model server's own routes goes. */
export interface NativeTarget {
  readonly provider: string
  /** Of the response. Absent: all of it passes. */
  readonly withheld: NativeRoute['withheld']
}

export interface RestCall {
  readonly route: Omit<ApiRoute, 'method'> & Pick<NativeRoute, 'method'>
  /** Absent: a route of OpenAI's API, whose objects determine the provider. */
  readonly native?: NativeTarget
  /** Below `/v1`, in its normal form; below the server's root with a second slash: `//props`. */
  readonly path: string
  /** What stands for the names in the route's path. */
  readonly ids: readonly string[]
  /** With its `?` and without keys; empty if there is none. */
  readonly query: string
  /** Those that go on, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** As they came: names and values in turn. */
  readonly rawHeaders: readonly string[]
  readonly contentType: string | undefined
  /** What the request may not leave, by its own header; undefined: it has none. */
  readonly boundary: Boundary | undefined
  readonly body: Buffer | LargeBody | IncomingUpload | undefined
  /** Of a body that was read; a large one releases it itself. */
  readonly bodyShare: MemoryShare | undefined
  readonly requestId: string
  readonly client: Client
  readonly reply: Reply
  /** When its head had arrived, in milliseconds of the monotonic clock. */
  readonly startedAtMs: number
}
