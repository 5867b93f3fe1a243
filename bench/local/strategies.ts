// Ways to place the calls of a workload: the gateway's own, and what it is compared with.
import { Admission } from '../../src/admission/admission.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import { LocalCoordinator } from '../../src/call/local-coordinator.ts'
import { dialects } from '../../src/dialects/table.ts'
import { PrefixHasher } from '../../src/routing/prefix-hashes.ts'
import type { Ask } from './workloads.ts'

/** What is reported of a call that was placed. */
interface PlacedAsk {
  readonly server: number
  first(cachedShare: number, readMs: number): void
  end(): void
}

export interface Strategy {
  readonly name: string
  begin(servers: number, slots: number, now: () => number): (ask: Ask) => PlacedAsk
}

const silent = { first() {}, end() {} }

const roundRobin: Strategy = {
  name: 'round robin',
  begin(servers) {
    let calls = 0
    return () => ({ server: calls++ % servers, ...silent })
  },
}

const fixedSplit: Strategy = {
  name: 'fixed split',
  begin: (servers) => (ask) => ({ server: ask.conversation % servers, ...silent }),
}

const leastBusy: Strategy = {
  name: 'least busy',
  begin(servers) {
    const busy = Array.from({ length: servers }, () => 0)
    let calls = 0
    return () => {
      const least = Math.min(...busy)
      const equals = busy.flatMap((count, server) => (count === least ? [server] : []))
      const server = equals[calls++ % equals.length]!
      busy[server]! += 1
      return { server, first() {}, end: () => void (busy[server]! -= 1) }
    }
  },
}

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!

const gateway: Strategy = {
  name: 'llm-gateway',
  begin(servers, slots, now) {
    const targets = Array.from({ length: servers }, (_, index) => ({
      provider: `${index}`,
      model: 'm',
      tier: 1,
      weight: 1,
    }))
    const coordinator = startCoordinator(
      targets.map(({ provider }) => provider),
      now,
    )
    for (const { provider } of targets) coordinator.serverFacts.setReported(provider, { slots })
    return ({ messages, outputTokens }) => {
      const body = Buffer.from(JSON.stringify({ model: 'm', stream: true, messages }))
      const read = chat.readRequest({ contentType: 'application/json', body })
      if (read instanceof Error) throw read
      const hasher = new PrefixHasher(read.promptPieces, coordinator.prefixKey, '')
      hasher.advance(Infinity)
      const admitted = coordinator.admit({
        client: { id: 'user:me' },
        clientScope: undefined,
        disconnect: { isGone: false, onGone: undefined },
        model: 'm',
        targets,
        size: read.size,
        prefix: hasher.hashes,
        isStream: true,
        format: 'chat',
        skipsFailing: false,
      })
      if (admitted instanceof Promise || admitted.kind !== 'admitted') throw new Error('not admitted')
      const { hold } = admitted
      const promptTokens = Math.ceil(body.length / 4)
      let shown = { cachedTokens: 0, promptMs: 0 }
      return {
        server: Number(hold.target.provider),
        first(cachedShare, promptMs) {
          shown = { cachedTokens: Math.round(cachedShare * promptTokens), promptMs }
          hold.report({ kind: 'healthy' })
        },
        end() {
          const totalTokens = promptTokens + outputTokens
          const usage = { promptTokens, completionTokens: outputTokens, totalTokens, ...shown }
          hold.settle({ kind: 'used', tokens: totalTokens }, { ...usage, isEstimated: false })
        },
      }
    }
  },
}

function startCoordinator(names: readonly string[], now: () => number): LocalCoordinator {
  const limits = { whenLimited: 'reject', maxWaitMs: 0 } as const
  const perClient = { perClientRpm: undefined, perClientMaxWaitMs: 0 }
  const rateLimits = { enabled: true, ...perClient, default: limits, limits: new Map() }
  const calibration = new Calibration()
  const setTimer = () => () => {}
  const admission = new Admission({
    store: new MemoryStore(),
    calibration,
    limits: rateLimits,
    now,
    setTimer,
  })
  const coordinator = new LocalCoordinator({ admission, calibration, now, chance: () => 0.5 })
  const providers = names.map((name) => ({ name, isLocal: true, maxParallelRequests: undefined }))
  coordinator.follow({ providers: new Map(), routing: { cooldownMs: 1000 }, rateLimits }, providers)
  return coordinator
}

/** Places calls as they are listed, in the order in which they begin. */
export function listed(servers: readonly number[]): Strategy {
  return {
    name: 'best possible',
    begin(count) {
      let calls = 0
      return () => ({ server: (servers[calls++] ?? calls) % count, ...silent })
    },
  }
}

export const strategies: readonly Strategy[] = [roundRobin, leastBusy, fixedSplit, gateway]
