// One function per thing worth telling. Leaves return facts, the story calls these.
import type { Log } from './log.ts'

/** The facts of one call, as logged when it ends. Absent facts are left out of the line. */
export interface CallFacts {
  /** `call`, or the code of the rule that refused it. */
  readonly event: string
  readonly request_id: string
  readonly client: string
  readonly dialect: string
  readonly model?: string | undefined
  readonly provider?: string | undefined
  readonly target_model?: string | undefined
  /** The model that answered, where it is not the one that was asked for. */
  readonly fallback_model?: string | undefined
  /** What the client got; 499 when it left before the end. */
  readonly status: number
  readonly stream: boolean
  readonly prompt_tokens?: number | undefined
  readonly completion_tokens?: number | undefined
  readonly estimated?: boolean | undefined
  readonly wait_ms: number
  readonly first_byte_ms?: number | undefined
  readonly duration_ms: number
  readonly gateway_ms: number
  readonly attempts: number
  readonly code?: string | undefined
  readonly provider_status?: number | undefined
  readonly provider_code?: string | undefined
  readonly reason?: string | undefined
}

/** A request that a guard refused before it was routed, or a connection that was refused before it was read. */
interface RefusalFacts {
  readonly request_id?: string
  readonly client: string
  readonly method: string | undefined
  readonly code: string
  readonly status: number
  readonly reason: string
  /** Refusals like this one since the last line, which have none. */
  readonly unlogged?: number
}

/** How a provider's list of models has changed. */
interface ListChange {
  readonly count: number
  readonly added: number
  readonly removed: number
  /** Entries without a usable name, or too many. */
  readonly skipped: number
}

export interface Events {
  callEnded(facts: CallFacts): void
  refused(facts: RefusalFacts): void
  listening(addresses: readonly string[], configFile: string): void
  providerChecked(provider: string, isReachable: boolean, detail: string): void
  /** A provider's list of models has come for the first time, has changed, or is there again. */
  modelsDiscovered(provider: string, change: ListChange): void
  /** A provider gives no list of models; told once for a cause, until one comes. `isUsual`: nothing listens there or has to. */
  discoveryFailed(provider: string, reason: string, isUsual: boolean): void
  /** The outcome of health checks, told when it changes. `reason`: what is wrong; undefined: nothing. */
  healthChecked(provider: string, reason: string | undefined): void
  reloaded(configFile: string, needsRestart: readonly string[]): void
  /** A configuration that was not taken over: the old one is still served. */
  reloadRefused(configFile: string, problems: readonly string[]): void
  /** The service manager could not be told; told once, however often it happens. */
  managerNotTold(cause: unknown): void
  /** The kernel's list of sockets can't be read: nobody's user is known, and all are refused. */
  peersUnreadable(cause: Error): void
  stopping(reason: string, openCalls: number): void
  stopped(): void
  /** A worker thread ended by itself; another one takes its place. */
  workerEnded(worker: number, cause: Error, restartInMs: number): void
  workerRestarted(worker: number): void
  /** Fewer threads serve than the configuration asks for. */
  workersMissing(workers: number, reason: string): void
  unexpected(error: unknown, where: string): void
  /** What the last run left of the limits' counters. */
  limitsLoaded(fact: { readonly kind: string }): void
  /** The counters could not be saved; calls go on. */
  limitsNotSaved(cause: unknown): void
}

/** Events of a gateway, written to its log. */
export function createEvents(log: Log): Events {
  return {
    callEnded(facts) {
      if (facts.status >= 500 || (facts.status < 400 && facts.code !== undefined)) log.error(facts)
      else if (facts.status >= 400 && facts.status !== 499) log.warn(facts)
      else log.info(facts)
    },
    refused(facts) {
      log.warn({ event: facts.code, ...facts })
    },
    listening(addresses, configFile) {
      log.info({ event: 'listening', addresses, config: configFile })
    },
    providerChecked(provider, isReachable, detail) {
      if (isReachable) log.info({ event: 'provider_reachable', provider, detail })
      else log.warn({ event: 'provider_unreachable', provider, detail })
    },
    modelsDiscovered(provider, change) {
      log.info({ event: 'models_discovered', provider, ...change })
    },
    discoveryFailed(provider, reason, isUsual) {
      const line = { event: 'discovery_failed', provider, reason }
      if (isUsual) log.info(line)
      else log.warn(line)
    },
    healthChecked(provider, reason) {
      if (reason === undefined) log.info({ event: 'provider_healthy', provider })
      else log.warn({ event: 'provider_unhealthy', provider, reason })
    },
    reloaded(configFile, needsRestart) {
      const line = { event: 'reloaded', config: configFile }
      if (needsRestart.length === 0) log.info(line)
      else log.warn({ ...line, needs_restart: needsRestart })
    },
    reloadRefused(configFile, problems) {
      log.error({ event: 'reload_refused', config: configFile, problems })
    },
    managerNotTold(cause) {
      log.warn({ event: 'service_manager_not_told', reason: String(cause) })
    },
    peersUnreadable(cause) {
      const way =
        'Make /proc readable. Until then nobody is served; with access.allowed_users: [any] everybody is, and no proxy is trusted.'
      log.error({ event: 'peer_users_unreadable', reason: cause.message, message: way })
    },
    stopping(reason, openCalls) {
      log.info({ event: 'stopping', reason, open_calls: openCalls })
    },
    stopped() {
      log.info({ event: 'stopped' })
    },
    limitsLoaded(fact) {
      const line = { event: 'limits_loaded', ...fact }
      if (fact.kind === 'unreadable') log.warn(line)
      else log.info(line)
    },
    limitsNotSaved(cause) {
      log.warn({ event: 'limits_not_saved', reason: String(cause) })
    },
    workerEnded(worker, { message: reason, stack }, restartInMs) {
      log.error({ event: 'worker_ended', worker, reason, restart_in_ms: restartInMs, stack })
    },
    workerRestarted(worker) {
      log.info({ event: 'worker_restarted', worker })
    },
    workersMissing(workers, reason) {
      log.warn({ event: 'workers_missing', workers, reason })
    },
    unexpected(error, where) {
      const cause = error instanceof Error ? error : new Error(String(error))
      log.error({ event: 'internal_error', where, reason: cause.message, stack: cause.stack })
    },
  }
}
