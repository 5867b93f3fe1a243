// What other programs do at local servers: slots of llama.cpp and calls of vLLM that are in use besides those of this gateway.
// It is looked at only when it decides something: while calls choose between targets, or wait for one. A call of this gateway
// whose client has left counts as another program's where the server goes on with it.
import type { LoadWatch } from '../call/provider-scopes.ts'
import type { Target } from '../domain.ts'
import type { Events } from '../observe/events.ts'
import type { ProviderLoad } from '../routing/load.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import { okBodyOf, probe, type ProbeOutcome } from '../upstream/probe.ts'
import type { Exchange, Provider } from '../upstream/provider.ts'
import { propsPath, readBusySlots, readProps, slotsPath } from '../upstream/providers/llama-cpp-report.ts'
import { metricsPath, readOpenRequests } from '../upstream/providers/vllm-report.ts'
import type { IsOpen, PollClock } from './polls.ts'
import type { ProviderSet } from './provider-pool.ts'
import type { ServerLooks } from './server-looks.ts'

export interface LoadLookParts {
  readonly clock: PollClock
  readonly events: Events
  readonly facts: ServerFacts
  readonly load: Pick<ProviderLoad, 'of'>
  readonly software: Pick<ServerLooks, 'softwareOf'>
  /** Absent: every provider is. */
  readonly isOpen?: IsOpen
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
  /** Calls of this gateway at the server when the look began. */
  ownCalls: number
  request: Pick<Exchange, 'abort'> | undefined
  stopTimer: (() => void) | undefined
}

export class LoadLooks implements LoadWatch {
  readonly #parts: LoadLookParts
  readonly #isOpen: IsOpen
  readonly #watched = new Map<string, Watched>()
  /** Provider → calls that wait for it, over reloads. */
  readonly #waiting = new Map<string, number>()

  constructor(parts: LoadLookParts) {
    this.#parts = parts
    this.#isOpen = parts.isOpen ?? (() => true)
  }

  follow(providers: ProviderSet): void {
    for (const [name, watched] of this.#watched) {
      if (providers.get(name) !== watched.provider) this.#forget(name, watched)
    }
    for (const [name, provider] of providers) {
      if (!provider.isLocal || this.#watched.has(name)) continue
      const idle = { nextMs: 0, ownCalls: 0, request: undefined, stopTimer: undefined }
      const watched: Watched = { provider, ...idle }
      this.#watched.set(name, watched)
      if (this.#isWaitedFor(watched)) this.#look(watched)
    }
  }

  /** The service of the provider was opened or closed: what was seen before counts no more. */
  reconsider(provider: string): void {
    const watched = this.#watched.get(provider)
    if (watched === undefined) return
    this.#giveUp(provider, watched)
    watched.nextMs = 0
    if (this.#isWaitedFor(watched)) this.#look(watched)
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
    for (const name of names) {
      this.#count(name, 1)
      const watched = this.#watched.get(name)
      if (watched !== undefined && this.#isWaitedFor(watched)) this.#look(watched)
    }
    return () => {
      for (const name of names) this.#count(name, -1)
    }
  }

  #count(name: string, change: 1 | -1): void {
    const waiting = (this.#waiting.get(name) ?? 0) + change
    if (waiting === 0) this.#waiting.delete(name)
    else this.#waiting.set(name, waiting)
  }

  /** A number in the configuration counts whatever other programs do. */
  #isWaitedFor({ provider }: Watched): boolean {
    return provider.maxParallelRequests === 'auto' && this.#waiting.has(provider.name)
  }

  #look(watched: Watched): void {
    const { clock, load, software } = this.#parts
    const nowMs = clock.now()
    if (watched.request !== undefined || nowMs < watched.nextMs) return
    if (!this.#isOpen(watched.provider.name)) return
    watched.nextMs = nowMs + pauseMs
    watched.ownCalls = load.of(watched.provider.name)
    const runs = software.softwareOf(watched.provider.name)
    if (runs === 'llama.cpp') this.#lookAtLlamaCpp(watched)
    else if (runs === 'vllm') {
      this.#ask(watched, metricsPath, (outcome) => this.#see(watched, readFrom(outcome, readOpenRequests)))
    }
  }

  /** The list of slots wakes a server that sleeps. */
  #lookAtLlamaCpp(watched: Watched): void {
    this.#ask(watched, propsPath, (outcome) => {
      const server = readFrom(outcome, readProps)
      if (server === undefined || server.isRouter || server.isSleeping) this.#see(watched, undefined)
      else this.#ask(watched, slotsPath, (late) => this.#see(watched, readFrom(late, readBusySlots)))
    })
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
    // A call that has ended since the look began may still have been seen.
    const ownCalls = Math.max(watched.ownCalls, load.of(name))
    facts.setBusyElsewhere(name, Math.max(0, (busy ?? 0) - ownCalls))
    if (busy === undefined) watched.nextMs = clock.now() + refusedMs
    watched.stopTimer?.()
    watched.stopTimer = clock.setTimer(
      () => {
        // Before the look, whose result sets the next timer: it may not begin, because timers can be early.
        watched.stopTimer = clock.setTimer(() => this.#expire(watched), validMs - pauseMs)
        if (this.#isWaitedFor(watched)) this.#look(watched)
      },
      busy === undefined ? refusedMs : pauseMs,
    )
  }

  /** What was seen counts no more. */
  #expire(watched: Watched): void {
    this.#parts.facts.setBusyElsewhere(watched.provider.name, 0)
    if (this.#isWaitedFor(watched)) this.#look(watched)
  }

  #forget(name: string, watched: Watched): void {
    this.#giveUp(name, watched)
    this.#watched.delete(name)
  }

  #giveUp(name: string, watched: Watched): void {
    watched.request?.abort()
    watched.request = undefined
    watched.stopTimer?.()
    watched.stopTimer = undefined
    this.#parts.facts.setBusyElsewhere(name, 0)
  }
}

function readFrom<T>(outcome: ProbeOutcome, read: (body: Buffer) => T | undefined): T | undefined {
  const body = okBodyOf(outcome)
  return body && read(body)
}
