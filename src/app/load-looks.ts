// What other programs do at local servers: slots of llama.cpp and calls of vLLM that are in use besides those of this gateway.
// It is looked at only when it decides something: while calls choose between targets, or wait for one. A call of this gateway
// whose client has left counts as another program's where the server goes on with it.
import type { LoadWatch } from '../call/provider-scopes.ts'
import type { Target } from '../domain.ts'
import type { Events } from '../observe/events.ts'
import type { ProviderLoad } from '../routing/load.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import { probe, type ProbeOutcome } from '../upstream/probe.ts'
import type { Exchange, Provider } from '../upstream/provider.ts'
import { propsPath, readBusySlots, readProps, slotsPath } from '../upstream/providers/llama-cpp-report.ts'
import { metricsPath, readOpenRequests } from '../upstream/providers/vllm-report.ts'
import type { PollClock } from './polls.ts'
import type { ProviderSet } from './provider-pool.ts'
import type { ServerLooks } from './server-looks.ts'

export interface LoadLookParts {
  readonly clock: PollClock
  readonly events: Events
  readonly facts: ServerFacts
  readonly load: Pick<ProviderLoad, 'of'>
  readonly software: Pick<ServerLooks, 'softwareOf'>
}

/** The shortest time between two looks at one server. */
const pauseMs = 1_000

/** What was seen counts for so long. */
const validMs = 3_000

/** After a server that does not show it, in milliseconds. */
const refusedMs = 60_000

const limits = { maxBytes: 1024 * 1024, timeoutMs: 1_000 }

interface Watched {
  readonly provider: Provider
  nextMs: number
  /** Calls that wait for it. */
  waiting: number
  request: Pick<Exchange, 'abort'> | undefined
  stopTimer: (() => void) | undefined
}

export class LoadLooks implements LoadWatch {
  readonly #parts: LoadLookParts
  readonly #watched = new Map<string, Watched>()

  constructor(parts: LoadLookParts) {
    this.#parts = parts
  }

  follow(providers: ProviderSet): void {
    for (const [name, watched] of this.#watched) {
      if (providers.get(name) !== watched.provider) this.#forget(name, watched)
    }
    for (const [name, provider] of providers) {
      if (!provider.isLocal || this.#watched.has(name)) continue
      const idle = { nextMs: 0, waiting: 0, request: undefined, stopTimer: undefined }
      this.#watched.set(name, { provider, ...idle })
    }
  }

  stop(): void {
    for (const [name, watched] of this.#watched) this.#forget(name, watched)
  }

  want(targets: readonly Target[]): void {
    for (const { provider } of targets) {
      const watched = this.#watched.get(provider)
      if (watched !== undefined) this.#look(watched)
    }
  }

  hold(targets: readonly Target[]): () => void {
    const names = new Set(targets.map(({ provider }) => provider))
    const held = [...names].map((name) => this.#watched.get(name)).filter((each) => each !== undefined)
    for (const watched of held) {
      watched.waiting += 1
      if (this.#decides(watched)) this.#look(watched)
    }
    return () => {
      for (const watched of held) watched.waiting -= 1
    }
  }

  /** A number in the configuration counts whatever other programs do. */
  #decides({ provider }: Watched): boolean {
    return provider.maxParallelRequests === 'auto'
  }

  #look(watched: Watched): void {
    const { clock, software } = this.#parts
    const nowMs = clock.now()
    if (watched.request !== undefined || nowMs < watched.nextMs) return
    watched.nextMs = nowMs + pauseMs
    switch (software.softwareOf(watched.provider.name)) {
      case 'llama.cpp':
        // The list of slots wakes a server that sleeps.
        this.#ask(watched, propsPath, (outcome) => {
          const server = bodyOf(outcome, readProps)
          if (server === undefined || server.isRouter || server.isSleeping) this.#see(watched, undefined)
          else this.#ask(watched, slotsPath, (late) => this.#see(watched, bodyOf(late, readBusySlots)))
        })
        return
      case 'vllm':
        this.#ask(watched, metricsPath, (outcome) => this.#see(watched, bodyOf(outcome, readOpenRequests)))
        return
      default:
    }
  }

  #ask(watched: Watched, path: string, onOutcome: (outcome: ProbeOutcome) => void): void {
    const { clock, events } = this.#parts
    watched.request = probe(watched.provider, { path, ...limits }, clock, {
      onResult(outcome) {
        watched.request = undefined
        onOutcome(outcome)
      },
      onBug(error) {
        watched.request = undefined
        events.emit({ kind: 'internal_error', error, where: 'a look at what a server does' })
      },
    })
  }

  /** @param busy undefined: it is not known. */
  #see(watched: Watched, busy: number | undefined): void {
    const { clock, facts, load } = this.#parts
    const { name } = watched.provider
    facts.setBusyElsewhere(name, Math.max(0, (busy ?? 0) - load.of(name)))
    if (busy === undefined) watched.nextMs = clock.now() + refusedMs
    watched.stopTimer?.()
    watched.stopTimer = clock.setTimer(
      () => {
        if (watched.waiting > 0 && this.#decides(watched)) this.#look(watched)
        else watched.stopTimer = clock.setTimer(() => facts.setBusyElsewhere(name, 0), validMs - pauseMs)
      },
      busy === undefined ? refusedMs : pauseMs,
    )
  }

  #forget(name: string, { request, stopTimer }: Watched): void {
    request?.abort()
    stopTimer?.()
    this.#watched.delete(name)
    this.#parts.facts.setBusyElsewhere(name, 0)
  }
}

function bodyOf<T>(outcome: ProbeOutcome, read: (body: Buffer) => T | undefined): T | undefined {
  return outcome.kind === 'answered' && outcome.head.status === 200 ? read(outcome.body) : undefined
}
