// What do several worker threads bring, and do limits hold over them? Upstream, load and gateway are processes of their
// own on one machine, and share its cores: the gateway's share is in the table.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadOrder, LoadResult } from './workers/load.ts'

const connections = 64
const runs = 3
/** V8 compiles until about the 40,000th call of each thread. */
const warmUpMs = 8_000
const throughputMs = 5_000
const rpm = 2_000
const exactnessMs = 75_000
const windowMs = 60_000

interface Gateway {
  readonly port: number
  /** User and system time of all of its threads so far, in milliseconds. */
  cpuMs(): number
  stop(): Promise<void>
}

/** Prints a Markdown table of throughput by number of workers, then the worst minute of a limited model. */
export async function benchWorkers(): Promise<void> {
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  const cores = availableParallelism()
  const counts = [1, 2, 4, 8, 16, 32, 64].filter((count) => count <= Math.max(2, cores))
  const upstream = fork(new URL('./workers/upstream.ts', import.meta.url))
  const [upstreamPort] = (await once(upstream, 'message')) as [number]
  print(`${cores} cores for gateway, provider and clients; ${connections} connections, ${runs} runs.\n`)
  print('| workers | calls/s (min, median, max) | CPU µs per call | cores used by the gateway | failed |')
  print('|--:|--:|--:|--:|--:|')
  const results = new Map(counts.map((count) => [count, [] as Throughput[]]))
  for (let run = 0; run < runs; run++) {
    for (const count of counts) results.get(count)!.push(await throughputOf(count, upstreamPort))
  }
  for (const [count, measured] of results) {
    const perSecond = measured.map((each) => each.perSecond).toSorted((one, other) => one - other)
    const median = measured.find((each) => each.perSecond === perSecond[runs >> 1])!
    const failed = measured.reduce((sum, each) => sum + each.failed, 0)
    print(
      `| ${count} | ${perSecond.map(Math.round).join(', ')} | ${Math.round(median.cpuUs)} | ${median.cores.toFixed(2)} | ${failed} |`,
    )
  }
  const most = counts.at(-1)!
  const { worst, served, refused } = await worstMinute(most, upstreamPort)
  print(`\nLimit of ${rpm} requests a minute, ${most} workers, ${exactnessMs / 1000} s, ${refused} refused:`)
  print(
    `served ${served}; in the worst 60 s ${worst}, that is ${worst <= rpm ? 'within' : 'ABOVE'} the limit.`,
  )
  if (worst > rpm) process.exitCode = 1
  upstream.disconnect()
}

interface Throughput {
  readonly perSecond: number
  readonly cpuUs: number
  readonly cores: number
  readonly failed: number
}

async function throughputOf(workers: number, upstreamPort: number): Promise<Throughput> {
  const gateway = await startGateway(workers, upstreamPort)
  const order = { port: gateway.port, model: 'free', connections, wantsSpans: false }
  await load({ ...order, durationMs: warmUpMs })
  const cpuMs = gateway.cpuMs()
  const { served, refused, failed } = await load({ ...order, durationMs: throughputMs })
  const usedMs = gateway.cpuMs() - cpuMs
  await gateway.stop()
  const cpuUs = (usedMs * 1000) / served
  return {
    perSecond: (served * 1000) / throughputMs,
    cpuUs,
    cores: usedMs / throughputMs,
    failed: failed + refused,
  }
}

/** A call that was sent and answered within a minute was admitted in it. */
async function worstMinute(
  workers: number,
  upstreamPort: number,
): Promise<{ worst: number; served: number; refused: number }> {
  const gateway = await startGateway(workers, upstreamPort)
  const order = { port: gateway.port, model: 'limited', connections, wantsSpans: true }
  const { spans, refused } = await load({ ...order, durationMs: exactnessMs })
  await gateway.stop()
  const bySent = spans.toSorted(([one], [other]) => one - other)
  const worst = bySent.reduce((most, [startMs]) => {
    const inside = spans.filter(
      ([sentMs, answeredMs]) => sentMs >= startMs && answeredMs < startMs + windowMs,
    )
    return Math.max(most, inside.length)
  }, 0)
  return { worst, served: spans.length, refused }
}

async function load(order: LoadOrder): Promise<LoadResult> {
  const child = fork(new URL('./workers/load.ts', import.meta.url))
  child.send(order)
  const [result] = (await once(child, 'message')) as [LoadResult]
  child.disconnect()
  await once(child, 'exit')
  return result
}

async function startGateway(workers: number, upstreamPort: number): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'))
  const config = join(folder, 'llm-gateway.yaml')
  writeFileSync(config, yamlFor(workers, upstreamPort), { mode: 0o600 })
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const main = join(import.meta.dirname, '../src/main.ts')
  const child = spawn(process.execPath, [main, 'serve', '--config', config], {
    cwd: folder,
    env: { HOME: folder, LLM_GATEWAY_PORT: '0' },
    stdio: ['ignore', log, 'inherit'],
  })
  closeSync(log)
  const port = await listeningPort(child, logFile)
  return {
    port,
    cpuMs: () => cpuMsOf(child.pid!),
    async stop() {
      child.kill()
      await once(child, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}

async function listeningPort(child: ChildProcess, logFile: string): Promise<number> {
  while (child.exitCode === null) {
    const port = /"addresses":\["http:\/\/127\.0\.0\.1:(\d+)"/.exec(readFileSync(logFile, 'utf8'))?.[1]
    if (port !== undefined) return Number(port)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the gateway did not start')
}

/** In clock ticks of 10 ms (proc_pid_stat(5)). */
function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [userTicks, systemTicks] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return (Number(userTicks) + Number(systemTicks)) * 10
}

function yamlFor(workers: number, upstreamPort: number): string {
  return `
server: { hosts: [127.0.0.1], workers: ${workers} }
providers: { local: { base_url: "http://127.0.0.1:${upstreamPort}/v1" } }
models: { free: { provider: local }, limited: { provider: local } }
rate_limit_settings:
  per_client: { rpm: 1000000 }
  limits: { free: { rpm: 1000000, tpm: 100000000 }, limited: { rpm: ${rpm} } }
logging: { format: json }
`
}
