import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratchDirectory } from '../support/config-file.ts'
import { readMetrics } from '../support/metrics-text.ts'
import { faultsOfMetrics } from './metrics.ts'

const text = (calls: number, output: number) => `# HELP llm_gateway_calls_total c
# TYPE llm_gateway_calls_total counter
llm_gateway_calls_total{outcome="ok"} ${calls}
llm_gateway_calls_total{outcome="client_gone"} 1
# HELP llm_gateway_overhead_seconds_count o
# TYPE llm_gateway_overhead_seconds_count counter
llm_gateway_overhead_seconds_count ${calls + 1}
# HELP llm_gateway_attempts_total a
# TYPE llm_gateway_attempts_total counter
llm_gateway_attempts_total 3
# HELP llm_gateway_input_tokens_total i
# TYPE llm_gateway_input_tokens_total counter
llm_gateway_input_tokens_total 14
# HELP llm_gateway_output_tokens_total o
# TYPE llm_gateway_output_tokens_total counter
llm_gateway_output_tokens_total ${output}
`

test('metrics that differ from the log or the ledger are a finding', (t) => {
  const path = join(scratchDirectory(t), 'usage.db')
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE calls(prompt, completion); INSERT INTO calls VALUES (7, 5), (7, 0)')
  database.close()
  const lines = new Map([
    ['a', [{ attempts: 2, isCall: true, status: 200 }]],
    ['b', [{ attempts: 1, isCall: true, status: 499 }]],
    ['refused', [{ attempts: 0, isCall: false, status: 403 }]],
  ])
  const faultsIn = (calls: number, output: number) => [
    ...faultsOfMetrics(readMetrics(text(calls, output)), lines, path),
  ]
  assert.deepEqual(faultsIn(1, 5), [])
  assert.deepEqual(faultsIn(1, 6), ['the metrics have 6 output tokens, and there are 5'])
  assert.equal(faultsIn(2, 5).length, 3)
})
