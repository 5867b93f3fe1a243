// What the ledger costs: on the thread that serves calls, in the thread that writes, on the disk, and to read.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { appendRow, type Cell, type EndedCall } from '../src/ledger/call-row.ts'
import { type Ledger, openLedger } from '../src/ledger/ledger.ts'
import { openLedgerFile } from '../src/ledger/ledger-file.ts'
import { readReport } from '../src/ledger/report.ts'
import { systemClock } from '../src/platform/clock.ts'

const dayMs = 24 * 60 * 60_000
const storedCalls = 1_000_000
const runs = 5
const callsPerRun = 40_000

/** Of a few keys, clients, models and providers, as a team makes them. */
function call(index: number): EndedCall {
  return {
    request_id: `req_${index.toString(36).padStart(22, '0')}`,
    client: `key:k${index % 12}`,
    key: `k${index % 12}`,
    dialect: 'chat',
    model: `model-${index % 10}`,
    provider: `provider-${index % 4}`,
    target_model: `vendor/model-${index % 10}`,
    fallback_model: undefined,
    status: index % 50 === 0 ? 429 : 200,
    code: index % 50 === 0 ? 'rate_limit_exceeded' : undefined,
    stream: index % 2 === 0,
    prompt_tokens: 1_000 + (index % 997),
    completion_tokens: 100 + (index % 313),
    cached_tokens: index % 500,
    cache_write_tokens: 0,
    reasoning_tokens: index % 100,
    estimated: false,
    cost_nano: 1_000_000 + index,
    price: 'list',
    attempts: 1,
    wait_ms: 0,
    first_byte_ms: 120.4,
    duration_ms: 900.7,
  }
}

function open(folder: string): Ledger {
  return openLedger({
    path: join(folder, 'usage.db'),
    keepCallsDays: 10_000,
    keepHoursDays: 10_000,
    clock: systemClock,
    onEvent: (event) => process.stdout.write(`  ${JSON.stringify(event)}\n`),
    bounds: { maxWaitingRows: 10_000_000 },
  })
}

async function untilWritten(ledger: Ledger): Promise<void> {
  while (ledger.state().waitingRows > 0) await new Promise((resolve) => setTimeout(resolve, 1))
}

function print(what: string, figure: string): void {
  process.stdout.write(`  ${what.padEnd(58)} ${figure}\n`)
}

function quantile(sorted: readonly number[], at: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))]!
}

export async function benchLedger(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'))
  try {
    await benchWriting(folder)
    await benchDurability(folder)
    benchReading(join(folder, 'large.db'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Calls end in groups of 20, as they do under load; the thread is asked to write as fast as it can. */
async function benchWriting(folder: string): Promise<void> {
  const calls = Array.from({ length: callsPerRun }, (_, index) => call(index))
  const before = process.memoryUsage.rss()
  const ledger = open(folder)
  ledger.record(calls[0]!)
  await untilWritten(ledger)
  print('memory of the thread', `${((process.memoryUsage.rss() - before) / 2 ** 20).toFixed(1)} MiB`)
  const serving: number[] = []
  const writing: number[] = []
  for (let run = 0; run < runs; run++) {
    const all = process.cpuUsage()
    const own = process.threadCpuUsage()
    let ns = 0n
    for (let at = 0; at < calls.length; at += 20) {
      const start = process.hrtime.bigint()
      for (let index = at; index < at + 20; index++) ledger.record(calls[index]!)
      ns += process.hrtime.bigint() - start
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
    await untilWritten(ledger)
    const total = process.cpuUsage(all)
    const main = process.threadCpuUsage(own)
    serving.push(Number(ns) / 1_000 / callsPerRun)
    writing.push((total.user + total.system - main.user - main.system) / callsPerRun)
  }
  await ledger.stop()
  const median = (values: number[]) =>
    quantile(
      values.toSorted((one, other) => one - other),
      0.5,
    ).toFixed(2)
  print('serving thread, a call (median of 5 runs)', `${median(serving)} µs`)
  print('all other threads, CPU a row', `${median(writing)} µs`)
  const bytes = statSync(join(folder, 'usage.db')).size
  print('size of a call', `${Math.round(bytes / (runs * callsPerRun))} B`)
}

/** From the end of a single call until its row is in the file. */
async function benchDurability(folder: string): Promise<void> {
  const ledger = open(folder)
  const times: number[] = []
  for (let index = 0; index < 40; index++) {
    const start = performance.now()
    ledger.record(call(index))
    await untilWritten(ledger)
    if (index > 0) times.push(performance.now() - start)
  }
  await ledger.stop()
  times.sort((one, other) => one - other)
  print(
    'a row is durable after',
    `p50 ${quantile(times, 0.5).toFixed(0)} ms, worst ${times.at(-1)!.toFixed(0)} ms`,
  )
}

/** A million calls over 90 days. */
function benchReading(path: string): void {
  const nowMs = Date.now()
  const filled = openLedgerFile({ path, nowMs, busyTimeoutMs: 1_000 })
  if (filled.kind !== 'open') throw new Error(filled.reason)
  const perBatch = 2_000
  for (let seq = 1; seq <= storedCalls / perBatch; seq++) {
    const rows: Cell[] = []
    for (let index = (seq - 1) * perBatch; index < seq * perBatch; index++)
      appendRow(rows, call(index), nowMs - 90 * dayMs + Math.floor((index / storedCalls) * 90 * dayMs))
    filled.file.write({ seq, rows, lostSums: [] })
  }
  const walBytes = statSync(`${path}-wal`).size
  filled.file.close()
  print(
    'size with 1,000,000 calls',
    `${Math.round(statSync(path).size / 1e6)} MB, log ${(walBytes / 1e6).toFixed(1)} MB`,
  )

  timed('opening and checking it', () => {
    const opened = openLedgerFile({ path, nowMs, busyTimeoutMs: 1_000 })
    if (opened.kind !== 'open') throw new Error(opened.reason)
    opened.file.close()
  })

  const database = new DatabaseSync(path, { readOnly: true })
  const span = { sinceMs: nowMs - 90 * dayMs, untilMs: nowMs, zone: 'Europe/Berlin' }
  for (const by of [['key'], ['model', 'day'], ['status']] as const) {
    timed(`report over 90 days by ${by.join(', ')}`, () => readReport(database, { ...span, by }))
  }
  database.close()
}

/** The CPU time is what a machine that does other things does not change. */
function timed(what: string, run: () => unknown): void {
  const cpu = process.threadCpuUsage()
  const start = performance.now()
  run()
  const ms = performance.now() - start
  const { user, system } = process.threadCpuUsage(cpu)
  print(what, `${Math.round(ms)} ms, CPU ${Math.round((user + system) / 1_000)} ms`)
}
