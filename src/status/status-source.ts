// Where the routes of the status page, the control channel and worker threads have reports from.
import type { ExplainedName } from './explained-name.ts'
import type { StatusReport, Viewer } from './status-report.ts'
import type { UsageDays } from './usage.ts'

/** What of the report is asked for, and by whom. */
export interface StatusView {
  readonly viewer: Viewer
  /** Days are of this time zone. */
  readonly zone: string
  readonly days: UsageDays
}

export interface StatusSource {
  /** Never rejects for anything that a viewer could cause. */
  report(view: StatusView): Promise<StatusReport>
  /** Where a model's name leads now. */
  explain(name: string): Promise<ExplainedName>
  /** Ends a call under way. @param by the client id of the user who wants it. @returns false: there is no such call. */
  cancel(id: string, by: string): Promise<boolean>
}
