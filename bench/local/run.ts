// npm run bench -- local: where calls go among local servers, how many tokens these read anew, and how soon the first
// token comes: on simulated servers, in simulated time, and so the same on every machine. With LLM_GATEWAY_TEST_PYTHON also on
// real ones.
import { benchIndex } from './index-figures.ts'
import { benchRealServers } from './real.ts'
import { SimulatedServer, Simulation } from './simulated-server.ts'
import { listed, strategies, type Strategy } from './strategies.ts'
import { type Ask, type Workload, workloads } from './workloads.ts'

interface Figures {
  readonly readBytes: number
  readonly promptBytes: number
  /** Mean time to the first token. */
  readonly firstMs: number
  /** The server of each call, in their order. */
  readonly servers: readonly number[]
}

const [serverCount, slotCount] = [2, 2]
const bytesPerToken = 4
/** Against the best possible placement. */
const maxExtraRead = 1.1
/** Against a fixed split and the least busy server: rounding. */
const maxExtraTime = 1.01

export async function benchLocal(): Promise<number> {
  let failures = 0
  for (const workload of workloads) {
    process.stdout.write(`\n${workload.name}\n`)
    const found = new Map(strategies.map((strategy) => [strategy.name, simulate(workload, strategy)]))
    const best = bestPossible(workload, [...found.values()])
    for (const [name, figures] of [...found, ['best possible', best] as const]) print(name, figures)
    const own = found.get('llm-gateway')!
    const others = ['fixed split', 'least busy'].map((name) => found.get(name)!.firstMs)
    if (own.readBytes > best.readBytes * maxExtraRead) failures += complain('reads too much anew')
    if (own.firstMs > Math.min(...others) * maxExtraTime) failures += complain('is too slow')
  }
  benchIndex()
  await benchRealServers()
  return failures > 0 ? 1 : 0
}

function complain(what: string): 1 {
  process.stdout.write(`  llm-gateway ${what}\n`)
  return 1
}

function print(name: string, { readBytes, promptBytes, firstMs }: Figures): void {
  const tokens = (bytes: number) => Math.round(bytes / bytesPerToken).toLocaleString('en')
  const read = `${tokens(readBytes)} of ${tokens(promptBytes)}`
  process.stdout.write(
    `  ${name.padEnd(14)} ${read.padStart(18)} tokens read anew, first token after ${(firstMs / 1000).toFixed(2)} s\n`,
  )
}

function simulate({ begin }: Workload, strategy: Strategy): Figures {
  const simulation = new Simulation()
  const servers = Array.from({ length: serverCount }, () => new SimulatedServer(simulation, slotCount))
  const place = strategy.begin(serverCount, slotCount, () => simulation.nowMs)
  const placed: number[] = []
  const firsts: number[] = []
  let promptBytes = 0
  const ask = (call: Ask, then: (answer: string) => void) => {
    const sinceMs = simulation.nowMs
    const prompt = JSON.stringify(call.messages).slice(0, -1)
    const content = `Answer ${call.conversation} ${call.messages.length}. `
      .repeat(call.outputTokens)
      .slice(0, call.outputTokens * 4)
    const after = JSON.stringify([...call.messages, { role: 'assistant', content }]).slice(0, -1)
    const way = place(call)
    placed.push(way.server)
    promptBytes += prompt.length
    servers[way.server]!.serve({
      prompt,
      after,
      outputTokens: call.outputTokens,
      onFirst(cachedBytes, readMs) {
        firsts.push(simulation.nowMs - sinceMs)
        way.first(cachedBytes / prompt.length, readMs)
      },
      onEnd() {
        way.end()
        then(content)
      },
    })
  }
  begin({
    ask,
    after: (delayMs, run) => simulation.after(delayMs, run),
    restart: (server, forMs) => servers[server]!.restart(forMs),
  })
  simulation.run()
  const readBytes = servers.reduce((sum, server) => sum + server.readBytes, 0)
  const firstMs = firsts.reduce((sum, each) => sum + each, 0) / firsts.length
  return { readBytes, promptBytes, firstMs, servers: placed }
}

/** The lowest mean time that a search finds, call by call, from each of the others' placements on. */
function bestPossible(workload: Workload, from: readonly Figures[]): Figures {
  const searched = from.map((start) => {
    let best = start
    for (let round = 0; round < 3; round += 1) {
      const before = best
      for (let call = 0; call < best.servers.length; call += 1) {
        for (let other = 1; other < serverCount; other += 1) {
          const servers = best.servers.map((server, at) =>
            at === call ? (server + other) % serverCount : server,
          )
          const figures = simulate(workload, listed(servers))
          if (figures.firstMs < best.firstMs) best = figures
        }
      }
      if (best === before) break
    }
    return best
  })
  return searched.reduce((first, each) => (each.firstMs < first.firstMs ? each : first))
}
