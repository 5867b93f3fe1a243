// Places calls among the targets of a model, and learns from how they went: what each target has cached, how fast it reads
// and writes, and what it still has to do.
import type { Target, UsageParts } from '../domain.ts'
import {
  bytesOf,
  type Choice,
  chooseTargets,
  type Placeable,
  startOfKeys,
  targetKey,
} from './choose-targets.ts'
import type { TargetProspect } from './choose-targets.ts'
import type { ServerTraits } from './expected-time.ts'
import { ProviderLoad } from './load.ts'
import { type OpenCall, OpenWork, usualWriteMs } from './open-work.ts'
import { Placement } from './placement.ts'
import type { PrefixHashes } from './prefix-hashes.ts'
import { PrefixIndex } from './prefix-index.ts'
import type { TargetHealth } from './target-health.ts'
import type { ServerFacts } from './server-facts.ts'
import { TargetRates } from './target-rates.ts'

export interface PlacerParts {
  readonly health: Pick<TargetHealth, 'stateOf'>
  readonly traitsOf: (provider: string) => ServerTraits
  readonly serverFacts: Pick<ServerFacts, 'busyElsewhere' | 'modelOf' | 'slotsOf' | 'isSleeping'>
  readonly hasShown: (provider: string, format: string) => boolean
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** From 0 to below 1, at random. */
  readonly chance: () => number
}

/** What an answer has shown. Undefined: it was cut, or the provider counts nothing. */
export interface ShownUsage extends UsageParts {
  readonly promptTokens: number
  readonly completionTokens: number
}

export class Placer {
  readonly load = new ProviderLoad()
  readonly placement = new Placement()
  readonly index = new PrefixIndex()
  readonly rates = new TargetRates()
  readonly work = new OpenWork()
  readonly health: PlacerParts['health']
  readonly traitsOf: PlacerParts['traitsOf']
  readonly serverFacts: PlacerParts['serverFacts']
  readonly hasShown: PlacerParts['hasShown']
  readonly now: () => number
  readonly chance: () => number

  constructor({ health, traitsOf, serverFacts, hasShown, now, chance }: PlacerParts) {
    this.health = health
    this.traitsOf = traitsOf
    this.serverFacts = serverFacts
    this.hasShown = hasShown
    this.now = now
    this.chance = chance
  }

  /** @param unfit targets that the call does not fit; absent: it may fit all. */
  choose(call: Placeable, unfit?: ReadonlySet<Target>): Choice {
    return chooseTargets(unfit === undefined ? call : { ...call, unfit }, this)
  }

  /**
   * A call was placed, and the provider's load counts it already.
   * @returns undefined if nothing is to be learned from it.
   */
  start(
    { prospects }: Choice,
    { prefix, isStream }: Pick<Placeable, 'prefix'> & { readonly isStream: boolean },
    target: Target,
  ): PlacedCall | undefined {
    if (prospects === undefined || prefix === undefined) return undefined
    return new PlacedCall(this, { prospects, hashes: prefix, isStream }, target)
  }

  /** A provider has lost what it had cached: it was restarted, say. */
  forgetCache(provider: string): void {
    this.index.forgetAll(startOfKeys(provider))
  }

  /** Another provider is in the place of this one. */
  forget(provider: string): void {
    this.forgetCache(provider)
    this.rates.forgetAll(startOfKeys(provider))
  }
}

interface PlacedCallParts {
  readonly prospects: ReadonlyMap<Target, TargetProspect>
  readonly hashes: PrefixHashes
  readonly isStream: boolean
}

/** A call at the target where it was placed, until its end. */
export class PlacedCall {
  readonly #placer: Placer
  readonly #hashes: PrefixHashes
  readonly #prospects: ReadonlyMap<Target, TargetProspect>
  readonly #isStream: boolean
  #target: Target
  #open: OpenCall
  /** Whether no other call was at the provider when this one began. */
  #wasAlone: boolean
  #answeredAtMs: number | undefined

  constructor(placer: Placer, { prospects, hashes, isStream }: PlacedCallParts, target: Target) {
    this.#placer = placer
    this.#hashes = hashes
    this.#prospects = prospects
    this.#isStream = isStream
    this.#target = target
    this.#open = this.#begin()
    this.#wasAlone = placer.load.of(target.provider) === 1
  }

  /** Another target is tried; its provider's load counts the call already. */
  moveTo(target: Target): void {
    const { work, load } = this.#placer
    work.remove(this.#target.provider, this.#open)
    this.#target = target
    this.#answeredAtMs = undefined
    this.#open = this.#begin()
    this.#wasAlone = load.of(target.provider) === 1
  }

  /** The first token has come, or a whole answer. */
  answered(): void {
    const { now, index, traitsOf } = this.#placer
    if (this.#answeredAtMs !== undefined) return
    this.#answeredAtMs = now()
    this.#open.isReading = false
    if (traitsOf(this.#target.provider).cache !== 'slots') {
      index.add(targetKey(this.#target), this.#hashes, now())
    }
  }

  /** @param usage of a complete answer, as the provider has counted it. */
  end(usage: ShownUsage | undefined): void {
    const { work, index, now } = this.#placer
    const { provider } = this.#target
    work.remove(provider, this.#open)
    if (this.#answeredAtMs === undefined) return
    if (usage !== undefined) {
      this.#correct(usage)
      this.#learn(usage)
    }
    const key = targetKey(this.#target)
    const capacity = capacityOf(this.#target, this.#placer.serverFacts)
    if (capacity !== undefined) index.limit(key, capacity)
    index.add(key, this.#hashes, now())
  }

  /** What the target really had cached. */
  #correct({ promptTokens, cachedTokens }: ShownUsage): void {
    if (cachedTokens === undefined || promptTokens === 0) return
    const { index, rates, traitsOf } = this.#placer
    // Another call may have taken the slot with the cache.
    if (!this.#wasAlone && traitsOf(this.#target.provider).cache === 'slots') return
    const key = targetKey(this.#target)
    const { believed } = this.#prospects.get(this.#target)!
    const actual = (cachedTokens / promptTokens) * bytesOf(this.#hashes)
    rates.learnCached(key, believed.bytes, actual)
    if (actual < believed.bytes * 0.75 - slackBytes) index.contradict(key, believed.usedAtMs)
  }

  #learn(usage: ShownUsage): void {
    const { rates, now } = this.#placer
    const { promptTokens, cachedTokens, promptMs, outputMs } = usage
    const promptBytes = bytesOf(this.#hashes)
    const prospect = this.#prospects.get(this.#target)!
    const cachedShare = cachedTokens === undefined ? undefined : cachedTokens / Math.max(1, promptTokens)
    const cachedBytes = cachedShare === undefined ? prospect.cachedBytes : cachedShare * promptBytes
    const { sinceMs, readMs: expectedMs } = this.#open
    const isMeasurable = this.#isStream && this.#wasAlone
    const readMs = promptMs ?? (isMeasurable ? this.#answeredAtMs! - sinceMs : undefined)
    // A whole answer does not show when its first token came.
    const firstMs = this.#isStream ? this.#answeredAtMs! : sinceMs + expectedMs
    const writeMs = outputMs ?? Math.max(0, now() - firstMs)
    rates.learn(targetKey(this.#target), { readBytes: promptBytes - cachedBytes, readMs, writeMs })
  }

  #begin(): OpenCall {
    const { rates, work, now } = this.#placer
    const target = targetKey(this.#target)
    const { promptBytes, cachedBytes, readMsPerByte } = this.#prospects.get(this.#target)!
    const readMs = (promptBytes - cachedBytes) * readMsPerByte
    const writeMs = rates.of(target).writeMs ?? usualWriteMs
    const call = { target, hashes: this.#hashes, sinceMs: now(), readMs, writeMs, isReading: true }
    work.add(this.#target.provider, call)
    return call
  }
}

/** Of a prompt, which templates and counts in tokens blur. */
const slackBytes = 256

/** Of a prompt; more in most languages but English. */
const bytesPerToken = 4
/** In the memory in which llama.cpp keeps prompts that no slot holds: what a token of a small model takes there. */
const cacheBytesPerToken = 16_384
/** How much of such prompts a server keeps that does not report it, against what its slots hold. */
const usualOutside = 3

/** What a target can have cached, in bytes of prompts. Undefined: it does not report it. */
function capacityOf({ provider, model }: Target, facts: PlacerParts['serverFacts']): number | undefined {
  const { contextLength, slots = facts.slotsOf(provider), cacheBytes } = facts.modelOf(provider, model)
  if (contextLength === undefined || slots === undefined) return undefined
  const inSlots = slots * contextLength
  const outside = cacheBytes === undefined ? inSlots * usualOutside : cacheBytes / cacheBytesPerToken
  return (inSlots + outside) * bytesPerToken
}
