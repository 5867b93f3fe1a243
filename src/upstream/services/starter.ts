// The gateway's end of the process that starts model servers, as the pool of services sees it.
import type { UnitReport } from '../../platform/unit-report.ts'

export const unreachable = 'starter-unreachable'

/** Failures that are over when units are reported again. */
export const endsWithReport: ReadonlySet<string> = new Set([unreachable, 'configuration'])

export interface Starter {
  /**
   * @param unit of the service as the gateway knows it: the configuration may have given it another one since, which is left alone.
   * @returns why it was refused (`StarterMessage`), or `unreachable`; undefined: the manager has accepted it. Never rejects.
   */
  start(service: string, unit: string): Promise<string | undefined>
  /** The same. It also stops a unit that the configuration had before, unless the starter was started again since: `configuration-changed`. */
  stop(service: string, unit: string): Promise<string | undefined>
  /** Has all units reported now. */
  look(): void
  /** The configuration was loaded: the starter is to go by it, now or once there is a connection. */
  reload(): void
  /** One listener each, set before `connect`. */
  onReports: ((reports: readonly UnitReport[], isWhole: boolean) => void) | undefined
  /**
   * Until the next whole report nothing is known: the connection has ended, or for the reason that the other end reports
   * (`StarterMessage`).
   */
  onLost: ((reason?: string) => void) | undefined
  /** Connects, and again after a loss, until `close`. */
  connect(): void
  close(): void
}
