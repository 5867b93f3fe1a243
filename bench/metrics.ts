// What metrics cost: of a call, whose end and one attempt are counted, and of the text of 10,000 lines.
import { callFacts } from '../test/support/call-facts.ts'
import type { GatewayEvent } from '../src/observe/events.ts'
import { Registry } from '../src/observe/metrics/registry.ts'
import { slicesOf } from '../src/observe/metrics/render.ts'
import { metricsSink } from '../src/observe/sinks/metrics.ts'

const pairs = 60
const runs = 9
const callsPerRun = 200_000
const lines = 10_000

/** Prints the medians. */
export function benchMetrics(): void {
  const registry = new Registry(20_000)
  const sink = metricsSink(registry, { maxModels: 200, hasClients: false })
  const events = Array.from({ length: pairs }, (_, index) => eventsOf(`m${index % 20}`, `p${index % 3}`))
  const timeRun = () => {
    const startMs = performance.now()
    for (let call = 0; call < callsPerRun; call++) {
      const [attempt, end] = events[call % pairs]!
      sink.receive(attempt)
      sink.receive(end)
    }
    return ((performance.now() - startMs) / callsPerRun) * 1e6
  }
  timeRun()
  print(`a streamed call: ${median(Array.from({ length: runs }, timeRun)).toFixed(0)} ns`)

  while (registry.lines < lines) registry.cell('calls_total', [`m${registry.lines}`, 'p', 'chat', 'ok'])
  const texts = Array.from({ length: runs }, () => timeText(registry))
  const totals = texts.map(({ totalMs }) => totalMs)
  const slices = texts.map(({ longestMs }) => longestMs)
  print(
    `the text of ${registry.lines} lines: ${median(totals).toFixed(2)} ms, ${totals[0]!.toFixed(2)} ms at first; ` +
      `the longest turn ${median(slices).toFixed(2)} ms, ${slices[0]!.toFixed(2)} ms at first`,
  )
}

function eventsOf(model: string, provider: string): readonly [GatewayEvent, GatewayEvent] {
  const stream = { stream: true, first_token_ms: 120, duration_ms: 900, completion_tokens: 50 }
  const facts = { request_id: 'r', provider, target_model: model, way: 'pass', status: 200, code: undefined }
  return [
    { kind: 'attempt_ended', ...facts, outcome: 'answered', ms: 100 },
    { kind: 'call_ended', call: callFacts({ model, provider, ...stream }), counted_model: model },
  ]
}

function timeText(registry: Registry): { readonly totalMs: number; readonly longestMs: number } {
  let totalMs = 0
  let longestMs = 0
  const slices = slicesOf(registry, new Map(), () => performance.now())
  for (;;) {
    const startMs = performance.now()
    const { done } = slices.next()
    const ms = performance.now() - startMs
    totalMs += ms
    longestMs = Math.max(longestMs, ms)
    if (done === true) return { totalMs, longestMs }
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
