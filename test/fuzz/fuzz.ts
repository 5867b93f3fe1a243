// Throws spoiled requests at a running gateway, many at a time, and says what went wrong.
import { startGatewayProcess } from '../support/gateway-process.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { heldMemory, heldMemoryOptions } from '../support/held-memory.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { startJudgingProvider } from './judging-provider.ts'
import { Lane } from './lane.ts'
import { makeInput } from './mutations.ts'
import { Random } from '../support/random.ts'
import { at, type Setup } from '../support/gateway-config.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly count: number
  /** Index of the first input: with a count of 1 it makes a single one again. */
  readonly first: number
  /** Ends the run before its count. */
  readonly isOver: () => boolean
  /** Called every 5,000 inputs. */
  readonly onProgress?: (done: number) => void
}

export interface FuzzReport {
  /** What should not have happened, with the input's index where one is to blame. No more than the first 20. */
  readonly findings: readonly string[]
  /** Inputs that were sent. */
  readonly made: number
  /** Requests that reached the provider. */
  readonly served: number
  /** Responses by status. */
  readonly statuses: ReadonlyMap<number, number>
  /** Memory that is held after the warm-up, 0 in a run that is shorter, and at the end. */
  readonly warmBytes: number
  readonly endBytes: number
}

export const fuzzKey = 'sk-fuzz-2b7e151628aed2a6'
const laneCount = 64
/** Memory counts from here: before, caches fill and code is compiled. A shorter run says nothing about it. */
const warmUpCount = 20_000
/** A leak of 200 bytes per request is more; code that is compiled late takes some. */
const maxGrowthBytes = 12 * 1024 * 1024
const maxFindings = 20

function configuration(providerUrl: string): Setup {
  const plain = { rpm: 10_000_000, tpm: 1_000_000_000, max_parallel_requests: 1000 }
  return {
    server: { max_request_body_bytes: 1_000_000 },
    // Nobody's bytes are read before the user is known, so that no mutation reaches that check; it would only take time.
    access: { allowed_users: ['any'] },
    rate_limit_settings: { per_client: {}, limits: { scarce: { rpm: 5, tpm: 100 }, plain } },
    providers: {
      judging: at({ url: providerUrl }, { api_key: { env: 'FUZZ_KEY' } }),
      echo: { kind: 'echo' },
    },
    models: {
      plain: { provider: 'judging' },
      renamed: { provider: 'judging', model: 'vendor/deep-model:7b', aliases: ['short'] },
      scarce: { provider: 'judging' },
      echo: { provider: 'echo' },
    },
    routing: {},
  }
}

export async function fuzz(
  t: Cleanup,
  { seed, count, first, isOver, onProgress }: FuzzOptions,
): Promise<FuzzReport> {
  const findings: string[] = []
  const accuse = (what: string) => {
    if (findings.length < maxFindings) findings.push(what)
  }
  const provider = await startJudgingProvider(t, fuzzKey, accuse)
  const env = { FUZZ_KEY: fuzzKey }
  const launch = { options: heldMemoryOptions }
  const { gateway } = await startGatewayProcess(t, configuration(provider.url), env, launch)
  gateway.drainInto((text) => judgeLog(text, accuse))

  // The first reading lets go of what the start has left.
  await heldBytes(gateway)
  const statuses = new Map<number, number>()
  let next = first
  let warmBytes = 0
  const work = async (lane: Lane) => {
    const mayGoOn = () => !isOver() && gateway.ending() === undefined && findings.length < maxFindings
    while (next < first + count && mayGoOn()) {
      const index = next++
      if (index === first + warmUpCount) warmBytes = await heldBytes(gateway)
      if (index % 5000 === 0) onProgress?.(index - first)
      const random = new Random(seed, index)
      const { statuses: seen, fault } = await lane.send(makeInput(random), random.has(0.5))
      for (const status of seen) statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (fault !== undefined) accuse(`input ${index}: ${fault}`)
    }
    lane.close()
  }
  await Promise.all(Array.from({ length: laneCount }, () => work(new Lane(gateway.url, fuzzKey))))
  const endBytes = gateway.ending() === undefined ? await heldBytes(gateway) : 0
  if (warmBytes > 0 && endBytes - warmBytes > maxGrowthBytes)
    accuse(`the memory grew from ${warmBytes} to ${endBytes} bytes`)
  await judgeEnd(gateway, accuse)
  return {
    findings,
    made: next - first,
    served: provider.count,
    statuses,
    warmBytes,
    endBytes,
  }
}

async function heldBytes(gateway: GatewayProcess): Promise<number> {
  const { heapUsed, external } = await heldMemory(gateway)
  return heapUsed + external
}

function judgeLog(text: string, accuse: (what: string) => void): void {
  for (const line of text.split('\n')) {
    if (line.includes('"internal_error"')) accuse(`the log has ${line.slice(0, 2000)}`)
  }
  if (text.includes(fuzzKey)) accuse('the log has the key')
}

/** It still serves, nothing of what went before is left over, and it ends when it is told to. */
async function judgeEnd(gateway: GatewayProcess, accuse: (what: string) => void): Promise<void> {
  if (gateway.ending() !== undefined) {
    accuse(`the gateway ended (${gateway.ending()}): ${gateway.stderr().slice(-3000)}`)
    return
  }
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: '{"model":"plain"}',
  })
  await answer.text()
  if (answer.status !== 200) accuse(`a good request afterwards got ${answer.status}`)
  let log = ''
  gateway.drainInto((text) => {
    log += text
    judgeLog(text, accuse)
  })
  const ending = await gateway.stop().catch(() => 'not at all')
  if (ending !== 0) accuse(`SIGTERM ended it with ${ending}`)
  if (!log.includes('"open_calls":0')) accuse(`calls were left open: ${log.slice(0, 1000)}`)
  if (gateway.stderr() !== '') accuse(`it wrote to standard error: ${gateway.stderr().slice(-3000)}`)
}
