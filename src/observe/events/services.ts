// Model servers that the service manager starts when they are called.

export type ServiceEvent =
  | ServiceCommanded
  | ServiceStarting
  | ServiceReady
  | ServiceAdopted
  | ServiceLeft
  | ServiceStopping
  | ServiceStopped
  | ServiceStopRefused
  | ServiceFailed
  | StarterLost
  | StarterFound

/** Why a service stops: nobody calls it, others of its group wait, a command, it has failed, the configuration has it no longer, or somebody else stops it. */
export const stopReasons = ['idle', 'group', 'command', 'failed', 'removed', 'outside'] as const
export type StopReason = (typeof stopReasons)[number]

interface OfService {
  readonly provider: string
  readonly unit: string
}

/** A person has it started or stopped; the others follow from that. */
interface ServiceCommanded extends OfService {
  readonly kind: 'service_commanded'
  readonly verb: 'start' | 'stop'
  /** `user:ann`. */
  readonly by: string
}

interface ServiceStarting extends OfService {
  readonly kind: 'service_starting'
  /** `call`, `boot`, `command`; `restart`: it has ended by itself, and the service manager starts it again; `address`: it runs,
   * and is asked at another address since a reload. */
  readonly reason: string
  /** That its end has interrupted. Absent: none. */
  readonly calls?: number
}

/** It takes calls. */
interface ServiceReady extends OfService {
  readonly kind: 'service_ready'
  /** From the command to start it. Absent: it was not the gateway that has started it. */
  readonly took_ms?: number
}

/** Its unit runs already: the gateway was started again, or somebody else has started the unit. */
interface ServiceAdopted extends OfService {
  readonly kind: 'service_adopted'
}

/** The configuration has it no longer, and its unit still runs: somebody else has started it, or it could not be stopped. */
interface ServiceLeft extends OfService {
  readonly kind: 'service_left'
}

interface ServiceStopping extends OfService {
  readonly kind: 'service_stopping'
  readonly reason: StopReason
}

interface ServiceStopped extends OfService {
  readonly kind: 'service_stopped'
  /** Absent: the gateway has stopped it, and `service_stopping` has the reason. */
  readonly reason?: 'outside'
  /** That it has interrupted. */
  readonly calls?: number
}

/** It could not be stopped, and goes on. */
interface ServiceStopRefused extends OfService {
  readonly kind: 'service_stop_refused'
  /** `not-permitted`, `starter-unreachable`. */
  readonly result: string
}

/** It did not get ready, or has ended by itself. */
interface ServiceFailed extends OfService {
  readonly kind: 'service_failed'
  /** `exit-code 1`, `oom-kill`, `timeout`. */
  readonly result: string
  /** Of `timeout`: what the last question whether it is ready got: `ECONNREFUSED`, `status 503`. */
  readonly probe?: string
  /** Whether it had been ready before. */
  readonly was_ready: boolean
  /** That it has interrupted. Absent: none. */
  readonly calls?: number
  /** Calls start it again after that. */
  readonly retry_in_ms?: number
}

/** The process that starts units does not answer: what runs serves calls, and nothing can be started or stopped. */
interface StarterLost {
  readonly kind: 'starter_lost'
  readonly reason?: string
}

/** It answers again, or for the first time. */
interface StarterFound {
  readonly kind: 'starter_found'
}
