// Model servers that are started when they are called, as calls see them. One owner in a process has them
// (service-pool.ts); worker threads ask it (call/coordinator.ts).

/** Who wants to use a service, for its turn in the line. */
export interface ServiceCaller {
  readonly client: { readonly id: string }
  /** Of the client. Absent: one that all calls without it share. */
  readonly program?: { readonly number: number } | undefined
  /** Sets `isGone` and calls `onGone` when the client leaves; `onGone` is the line's while the call waits. */
  readonly disconnect: { isGone: boolean; onGone: (() => void) | undefined }
  /** What else bounds the wait, in milliseconds. Absent: nothing does. */
  readonly maxWaitMs?: number | undefined
}

/** The use of a running service by one call: it is not stopped before all have left. */
export interface ServiceVisit {
  /** Whether its service still is the one that was entered, so that a further attempt needs no other visit. */
  readonly isValid: boolean
  /** Ends it. Repeating it changes nothing. */
  leave(): void
}

/** Why a call did not get to its service. */
export interface NotStarted {
  readonly unit: string
  /**
   * As the manager names it: `exit-code 1`, `signal 9`, `oom-kill`, `timeout`, `not-found`, `masked`, `start-limit-hit`; `exit-code 0`: it
   * has ended without a failure; `stopped`: somebody has stopped it while it started, or by a command while calls waited for it; or what kept the gateway from asking the
   * manager: `starter-unreachable`, `configuration-changed`, `not-permitted`, `unknown-service`; or `busy`: other services kept its place in its group for
   * all of the time that the call may wait, or too many calls wait.
   */
  readonly result: string
  /** Of a group whose other members kept its place. */
  readonly group?: string
  /** When it is worth another try, in milliseconds from now. */
  readonly retryAfterMs: number
}

/** How a call that had to wait came out. */
export type ServiceEntry =
  | { readonly kind: 'entered'; readonly visit: ServiceVisit; readonly waitedMs: number }
  | { readonly kind: 'not_started'; readonly failure: NotStarted; readonly waitedMs: number }
  | { readonly kind: 'gone'; readonly waitedMs: number }
  | { readonly kind: 'shutting_down'; readonly waitedMs: number }

/** For calls that began at a provider before it had a service. */
interface EarlierCallCount {
  /** Another one after each change of the configuration. */
  readonly generation: number
  /**
   * A call of the provider has ended, has moved to another one or has entered the service. It matters where the service is newer.
   * @param since the generation when the call came to the provider; 0: there were no services.
   */
  leaveEarlier(provider: string, since: number): void
}

/** The names are those of providers. */
export interface Services extends EarlierCallCount {
  /** Whether the provider's server is started on demand. */
  has(provider: string): boolean
  /** Whether a call is let in at once: of a provider without a service, always. */
  isOpen(provider: string): boolean
  /** What calls do whose best target is not open. */
  whenStarting(provider: string): 'wait' | 'failover'
  /** Lets a call in at once, or starts the service and lets it wait. Never throws or rejects. Only for providers that `has`. */
  enter(provider: string, caller: ServiceCaller): ServiceVisit | Promise<ServiceEntry>
  /**
   * Lets a request in if that needs no wait. Undefined: it would. The service is not stopped under it, but it does not count as a
   * call: what only asks does not keep a server running.
   */
  enterIfOpen(provider: string): ServiceVisit | undefined
  /** A call has gone elsewhere because the service does not run: it is started for the next ones, in its turn, as if a call waited. */
  wake(provider: string): void
  /** A call could not reach the server: its unit is looked at now. Of a provider without a service, nothing happens. */
  suspect(provider: string): void
}

export const serviceStates = ['stopped', 'starting', 'ready', 'draining', 'stopping', 'failed'] as const

/** The services for those who look at them and steer them. */
export interface ServiceControl {
  describe(): readonly ServiceState[]
  /** Those that the configuration has no longer and whose unit is about to be stopped. Their providers may have other units now. */
  leaving(): readonly ServiceState[]
  /** As a call would, without one. Resolves when it is ready, or to the reason why it is not. Never rejects. */
  start(provider: string): Promise<NotStarted | undefined>
  /** Once the calls under way have ended. Resolves when it has stopped, or to the reason why it has not. Never rejects. */
  stop(provider: string): Promise<string | undefined>
}

/** As the services stand, for commands, the page and metrics. */
export interface ServiceState {
  readonly provider: string
  readonly unit: string
  readonly group: string | undefined
  readonly state: (typeof serviceStates)[number]
  /** In milliseconds since 1970. */
  readonly sinceMs: number
  /** Under way. */
  readonly calls: number
  /** In the line for it. */
  readonly waiting: number
  readonly memoryBytes: number | undefined
  /** How long its last start took until it was ready, in milliseconds. Undefined: it was not started by this gateway. */
  readonly lastStartMs: number | undefined
  /** Why it failed last; `exit-code 1`. Undefined: it has not, or has been ready since. */
  readonly failure: string | undefined
  /** Of a start that took too long: what the last question whether it is ready got. */
  readonly probe?: string | undefined
  /** When it may be started again after a failure, in milliseconds since 1970. Undefined: now. */
  readonly retryAtMs: number | undefined
  /** How often it was started and stopped by this gateway, and how often a start has failed or its server has crashed. */
  readonly starts: number
  readonly stops: number
  readonly failures: number
}
