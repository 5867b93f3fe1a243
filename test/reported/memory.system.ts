// What the gateway holds costs about twice its bytes, in whatever shape it comes: measured from outside, as the system
// counts the memory of the process.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'

import { residentBytes, startGatewayProcess } from '../support/gateway-process.ts'
import { unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { bodies, chat, promptOf, tinyRequest } from './memory-bytes.ts'
import { type Shape, shapes } from './memory-shapes.ts'

/** What a connection may cost besides what is held for it, and by what the heap may grow at any time. */
// V8's young generation takes up to three times its semi-space of 16 MiB, whatever is held in it
// (https://nodejs.org/api/cli.html#--max-semi-space-sizesize-in-mib): 41 MB once on a busy machine, 2 MB mostly.
const [connectionBytes, heapBytes] = [65_536, 50_331_648]

/** A gateway that has what every process takes once: compiled code, room for short-lived objects. */
async function startWarm(t: Cleanup) {
  const running = await startGatewayProcess(t, {
    server: { ...bodies },
    providers: { scripted: { discover_models: true } },
    models: { plain: { provider: 'scripted' }, queued: { provider: 'scripted' } },
    rate_limit_settings: {
      per_client: {},
      limits: { queued: { max_parallel_requests: 1, when_limited: 'wait', max_wait_ms: 600_000 } },
    },
  })
  const { gateway, upstream } = running
  upstream.respondAlways(({ method }) => json(method === 'GET' ? 503 : 200, { id: 'a', choices: [] }))
  const [early, pieces] = [rawRequest(chat, {}, promptOf(1_000)), tinyRequest(promptOf(20_000))]
  for (let count = 0; count < 20; count += 1) await exchange(t, gateway.url, early)
  for (let count = 0; count < 4; count += 1) {
    await Promise.all(Array.from({ length: 8 }, () => exchange(t, gateway.url, pieces)))
  }
  // Short-lived objects take room that V8 keeps: a few rounds of one shape make it.
  const tiny = shapes.find(({ name }) => name === 'an answer in chunks of one byte')!
  for (let count = 0; count < 4; count += 1) {
    const clients = new Releases()
    await tiny.run(clients, running)
    await clients.run()
  }
  return Object.assign(running, { warmBytes: residentBytes(gateway.pid) })
}

/** The highest resident memory since `clear_refs` was written: https://docs.kernel.org/filesystems/proc.html */
function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
}

/** Runs what was registered, the latest first. */
class Releases implements Cleanup {
  readonly #all: (() => unknown)[] = []

  after(release: () => unknown): void {
    this.#all.push(release)
  }

  async run(): Promise<void> {
    for (const release of this.#all.splice(0).toReversed()) await release()
  }
}

/** When V8 collects is chance, and garbage counts; what is held shows each time. */
const maxRuns = 5

suite(
  'Memory is bounded by the bytes that are held:',
  { skip: unless(process.platform === 'linux', 'needs Linux') },
  () => {
    const end = new Releases()
    let running: Awaited<ReturnType<typeof startWarm>>
    before(async () => (running = await startWarm(end)))
    after(() => end.run())

    /** The most that the process took while it held the shape. */
    const peakOf = async ({ run }: Shape) => {
      const { pid } = running.gateway
      writeFileSync(`/proc/${pid}/clear_refs`, '5')
      const clients = new Releases()
      try {
        await run(clients, running)
        return peakBytes(pid)
      } finally {
        await clients.run()
      }
    }

    for (const shape of shapes) {
      const { name, heldBytes, connections } = shape
      const most = 2 * heldBytes + connections * connectionBytes + heapBytes
      test(name, async () => {
        // Between two shapes the heap may have shrunk.
        const usual = Math.max(running.warmBytes, residentBytes(running.gateway.pid))
        const grown: number[] = []
        do grown.push((await peakOf(shape)) - usual)
        while (grown.at(-1)! > most && grown.length < maxRuns)
        assert.ok(grown.at(-1)! <= most, `grew by ${grown.join(', ')} bytes, of ${most}`)
      })
    }
  },
)
