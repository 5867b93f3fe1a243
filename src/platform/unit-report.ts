// What the process that starts model servers (systemd/starter/) and the gateway say to one another over its socket: lines of
// JSON. The gateway can name services and units of the configuration and nothing else, so whoever holds the gateway can start and stop
// these units, and run no command.

/** What the service manager reports of the unit of a service: systemctl(1), `show`; org.freedesktop.systemd1(5). */
export interface UnitReport {
  /** The provider that it belongs to. */
  readonly service: string
  readonly unit: string
  /**
   * `LoadState`: `loaded`, `not-found`, `masked`, `bad-setting`, `error`. Of a transient unit that is not there: `transient`.
   * `same-unit`: its name is another one of an earlier service's unit; the rest is then that of a unit that does not run.
   */
  readonly load: string
  /** `ActiveState`: `active`, `activating`, `deactivating`, `reloading`, `inactive`, `failed`. */
  readonly active: string
  /** `SubState`: `running`, `auto-restart`, `dead`, … */
  readonly sub: string
  /** `Result`: `success`, `exit-code`, `signal`, `core-dump`, `oom-kill`, `timeout`, `watchdog`, `start-limit-hit`, `resources`, … */
  readonly result: string
  /** `ExecMainStatus`: the exit status, or the number of the signal. Absent: it has not ended. */
  readonly exitStatus?: number
  /** `NRestarts`: how often the manager has restarted it by itself since it was started. */
  readonly restarts: number
  /** `InvocationID`: another one after each start. Empty: it never ran. */
  readonly invocation: string
  /** `ActiveEnterTimestamp`, in milliseconds since 1970. Absent: it is not active. */
  readonly activeSinceMs?: number
  /** `UID`: of its processes, whose server no other user's program may stand in for. Absent: not known. */
  readonly uid?: number
  /** `MemoryCurrent`. Absent: it does not run, or is not accounted for. */
  readonly memoryBytes?: number
}

/** What the gateway asks for. `service` is a name of the configuration; `id` comes back with the answer. */
export type StarterRequest =
  /**
   * `unit`: of the service as the gateway knows it. One that the starter did not read last is not started, and still stopped if an
   * earlier reading had it. Absent: that of the last reading.
   */
  | {
      readonly kind: 'start' | 'stop'
      readonly id: number
      readonly service: string
      readonly unit?: string
    }
  /** All units are reported anew, at once. */
  | { readonly kind: 'look'; readonly id: number }
  /** The gateway has loaded the configuration: so does the starter, before the requests after it, and reports all units anew. */
  | { readonly kind: 'reload'; readonly id: number }

/** What comes back. */
export type StarterMessage =
  /** First on each connection. Another version has other messages. */
  | { readonly kind: 'hello'; readonly version: 1 }
  /** Of all services, and of those that earlier readings had, at the beginning and after a change of the configuration, else of those whose report has changed. */
  | { readonly kind: 'units'; readonly reports: readonly UnitReport[]; readonly isWhole: boolean }
  /** Every two seconds: the process still works. */
  | { readonly kind: 'alive' }
  /**
   * Nothing is known and every request is refused, until the next whole report: the configuration cannot be used, because others can
   * write it or it never was valid.
   */
  | { readonly kind: 'unusable'; readonly reason: 'configuration' }
  /** The manager has accepted the request, which says nothing yet about how it goes. */
  | { readonly kind: 'done'; readonly id: number }
  /**
   * It was refused. `reason`: a word like those of `Result`: `unknown-service`, `configuration-changed` (the starter has not read such a unit:
   * the gateway has another state of the file), `not-found`, `masked`, `not-permitted`, `manager-unreachable`, `configuration`, `same-unit`,
   * `refused`.
   */
  | { readonly kind: 'refused'; readonly id: number; readonly reason: string }
