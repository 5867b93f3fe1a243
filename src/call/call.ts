// A call, and what its story needs throughout: the client's connection and the current snapshot.
import type { Clock } from '../platform/clock.ts'
import type { BudgetsConfig, RateLimitConfig, RoutesConfig, RoutingConfig } from '../config/types.ts'
import type { Client } from '../domain.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import type { Dialects } from '../dialects/table.ts'
import type { GatewayError } from '../errors.ts'
import type { LargeBody, MemoryShare } from '../bytes/large-body.ts'
import type { Events } from '../observe/events.ts'
import type { Tracing } from '../observe/events/trace.ts'
import type { ObjectOwners } from '../routing/object-owners.ts'
import type { Route } from '../routing/route.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { PriceBook } from '../prices/price-book.ts'
import type { Provider } from '../upstream/provider.ts'
import type { Coordinator } from './coordinator.ts'
import type { SpokenFormats } from './spoken-formats.ts'
import type { Ticker } from './ticker.ts'
import type { TimeSlices } from './time-slices.ts'

/** One client request to an API route, its body read. */
export interface Call {
  readonly dialect: ClientDialect
  readonly body: Buffer | LargeBody
  /** Of the body. A large one releases it itself. */
  readonly bodyShare: MemoryShare
  /** As the client sent it; a multipart body's boundary is in there. */
  readonly contentType: string | undefined
  /** Named by the path, in place of the body. */
  readonly model: string | undefined
  /** Of the target, with its `?` and without keys; empty if there is none. */
  readonly query: string
  /** Of the request, as they came: names and values in turn. */
  readonly rawHeaders: readonly string[]
  /** What the call may not leave, by its own header; undefined: it has none. */
  readonly boundary: Boundary | undefined
  readonly requestId: string
  readonly client: Client
  readonly reply: Reply
  /** When its head had arrived, in milliseconds of the monotonic clock. */
  readonly startedAtMs: number
}

/** Logged for a client that left before the end of its response; it is never sent. */
export const clientGoneStatus = 499

/** Everything built from one load of the configuration, as far as calls need it. */
export interface Snapshot {
  readonly routes: RouteTable
  /** The route of a name that `routes` does not know, after asking the providers whether they have it by now. */
  readonly findLate: (name: string) => Promise<Route | undefined>
  readonly providers: ReadonlyMap<string, Provider>
  readonly prices: PriceBook
  readonly budgets: BudgetsConfig
  readonly dialects: Dialects
  readonly coordinator: Coordinator
  readonly formats: SpokenFormats
  readonly owners: ObjectOwners
  /** Where requests go that are no model calls. */
  readonly rest: RoutesConfig['rest']
  /** By dialect: the models of calls that name none. */
  readonly defaultModels: ReadonlyMap<string, string>
  /** Whether others than the gateway's own user may call it. */
  readonly hasSeveralClients: boolean
  readonly routing: RoutingConfig
  readonly rateLimits: RateLimitConfig
  /** In which clients name their sessions, in lower case. */
  readonly sessionHeaders: readonly string[]
  /** Silence of a stream before each heartbeat, in milliseconds. */
  readonly heartbeatAfterMs: number
  readonly events: Events
  readonly tracing: Tracing
  readonly ticker: Ticker
  /** For work on long requests. */
  readonly timeSlices: TimeSlices
  readonly now: Clock['now']
  readonly wallNow: Clock['wallNow']
  readonly setTimer: Clock['setTimer']
  /** From 0 to below 1, at random. */
  readonly chance: () => number
}

/** The client's end of the connection. Writing after it is gone is harmless. */
export interface Reply {
  /** True once the status is out and can't be changed. */
  readonly isStarted: boolean
  /** True once the call is to end early: the client has left, or the gateway interrupts it. */
  readonly isGone: boolean
  /** Why the gateway interrupted the call, while its client is still there to receive it. */
  readonly interruption: GatewayError | undefined
  /**
   * Called once when `isGone` becomes true. The phase that owns the call sets it, to a function that has a name: V8 puts
   * a function literal that is assigned to a property into its old space, where the literal keeps all that it captures
   * until the next major collection.
   */
  onGone: (() => void) | undefined
  /** Called when bytes may be written again after `write` returned false. */
  onDrain: (() => void) | undefined
  /** Sets a header of whatever response comes, in place of an earlier one of that name. Only before `start`. */
  set(name: string, value: string): void
  /** Sets a header unless one of that name is set. Only before `start`. */
  setMissing(name: string, value: string): void
  /** @param headers names and values in turn, names in lower case. They go out with the first bytes. */
  start(status: number, headers: readonly string[]): void
  /** Sends the status and headers now if nothing has gone out yet: the body may take a while. */
  flush(): void
  /** False: hold back until `onDrain`. */
  write(bytes: Buffer): boolean
  end(bytes?: Buffer): void
  /** Sends the error's status and body; only before `start`. */
  fail(error: GatewayError): void
  /** Ends the call as if its client had left; the error goes out last. */
  interrupt(error: GatewayError): void
  /** Ends the connection, so that the client sees that the response is not whole. */
  cut(): void
}
