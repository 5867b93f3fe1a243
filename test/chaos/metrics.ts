// The metrics against the log and the ledger: the same calls, attempts, tokens and refusals.
import { DatabaseSync } from 'node:sqlite'
import type { Metrics } from '../support/metrics-text.ts'
import type { CallLine } from './gateway-log.ts'

/**
 * @param metrics of a gateway that no call is left of.
 * @param lines of each request id.
 * @param ledger the path of its ledger, once it has stopped.
 */
export function* faultsOfMetrics(
  metrics: Metrics,
  lines: ReadonlyMap<string, readonly Pick<CallLine, 'attempts' | 'isCall' | 'status'>[]>,
  ledger: string,
): Generator<string> {
  const calls = [...lines.values()].flat().filter(({ isCall }) => isCall)
  const left = calls.filter(({ status }) => status === 499).length
  const { rows, input, output } = readLedger(ledger)
  const sums: readonly (readonly [what: string, counted: number, expected: number])[] = [
    ['calls, by the log', metrics.sum('llm_gateway_calls_total'), calls.length],
    ['calls, by the ledger', metrics.sum('llm_gateway_calls_total'), rows],
    ['calls whose client left', metrics.sum('llm_gateway_calls_total', { outcome: 'client_gone' }), left],
    ['overheads', metrics.sum('llm_gateway_overhead_seconds_count'), calls.length],
    [
      'attempts',
      metrics.sum('llm_gateway_attempts_total'),
      calls.reduce((sum, { attempts }) => sum + attempts, 0),
    ],
    ['input tokens', metrics.sum('llm_gateway_input_tokens_total'), input],
    ['output tokens', metrics.sum('llm_gateway_output_tokens_total'), output],
    ['dropped values', metrics.sum('llm_gateway_metrics_dropped_total'), 0],
    ['calls in flight', metrics.sum('llm_gateway_calls_in_flight'), 0],
    ['calls at providers', metrics.sum('llm_gateway_provider_calls_in_flight'), 0],
  ]
  for (const [what, counted, expected] of sums) {
    if (counted !== expected) yield `the metrics have ${counted} ${what}, and there are ${expected}`
  }
}

function readLedger(path: string): { rows: number; input: number; output: number } {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const select = 'SELECT count(*) AS rows, total(prompt) AS input, total(completion) AS output FROM calls'
    const sums = database.prepare(select).get()!
    return { rows: Number(sums['rows']), input: Number(sums['input']), output: Number(sums['output']) }
  } finally {
    database.close()
  }
}
