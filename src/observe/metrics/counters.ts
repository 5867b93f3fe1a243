// What conditions and the status page read of the counters.

/** As in the table of metrics, without the prefix `llm_gateway_`. */
export type CounterName =
  | 'attempts_total'
  | 'calls_total'
  | 'limited_total'
  | 'peer_users_unreadable_total'
  | 'refusals_total'
  | 'worker_restarts_total'

export interface CounterReader {
  /** Sums since the process began, of all threads. */
  series(
    name: CounterName,
  ): Iterable<{ readonly labels: Readonly<Record<string, string>>; readonly value: number }>
}
