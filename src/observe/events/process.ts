// The process and its threads, its configuration, and those who run it.

export type ProcessEvent =
  | Listening
  | Reloaded
  | ReloadRefused
  | ControlUnavailable
  | ServiceManagerNotTold
  | WorkerEnded
  | WorkerRestarted
  | WorkersMissing
  | MetricsFull
  | LogTransportFailed
  | InternalError
  | Stopping
  | Stopped

interface Listening {
  readonly kind: 'listening'
  readonly addresses: readonly string[]
  /** The file. */
  readonly config: string
}

interface Reloaded {
  readonly kind: 'reloaded'
  readonly config: string
  /** Keys that changed and that only a restart applies. */
  readonly needs_restart: readonly string[]
}

/** A configuration was rejected: the old one stays in use. */
interface ReloadRefused {
  readonly kind: 'reload_refused'
  readonly config: string
  readonly problems: readonly string[]
}

/** Commands can't reach this gateway; calls go on. */
interface ControlUnavailable {
  readonly kind: 'control_unavailable'
  readonly reason: string
}

/** The service manager could not be notified; emitted once. */
interface ServiceManagerNotTold {
  readonly kind: 'service_manager_not_told'
  readonly cause: unknown
}

/** A worker thread ended by itself; another one takes its place. */
interface WorkerEnded {
  readonly kind: 'worker_ended'
  readonly worker: number
  readonly cause: Error
  readonly restart_in_ms: number
}

interface WorkerRestarted {
  readonly kind: 'worker_restarted'
  readonly worker: number
}

/** Fewer threads serve than the configuration asks for. */
interface WorkersMissing {
  readonly kind: 'workers_missing'
  readonly workers: number
  readonly reason: string
}

/** There are as many series as may be: further names are counted as `other`. Emitted once. */
interface MetricsFull {
  readonly kind: 'metrics_full'
  readonly max_series: number
}

/** The log goes to standard output from here on. */
interface LogTransportFailed {
  readonly kind: 'log_transport_failed'
  readonly target: string
  readonly cause: Error
}

/** A bug. */
interface InternalError {
  readonly kind: 'internal_error'
  readonly error: unknown
  readonly where: string
}

interface Stopping {
  readonly kind: 'stopping'
  /** The signal's name. */
  readonly reason: string
  readonly open_calls: number
}

interface Stopped {
  readonly kind: 'stopped'
}
