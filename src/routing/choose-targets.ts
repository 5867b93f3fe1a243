// In which order a call tries its model's targets, by what is known of them now and where prompts like its own went.
import type { Target } from '../domain.ts'
import {
  comparableRates,
  expectedMs,
  expectedPrice,
  loadMsOf,
  type ServerTraits,
  usablePrefix,
} from './expected-time.ts'
import type { ProviderLoad } from './load.ts'
import type { OpenWork } from './open-work.ts'
import { type Candidate, orderTargets } from './pick-target.ts'
import type { Placed, Placement, PlacementReason, Prospect, Turn } from './placement.ts'
import { type PrefixHashes, wordsPerPrefix } from './prefix-hashes.ts'
import { type KnownPrefix, nothingKnown, type PrefixIndex } from './prefix-index.ts'
import type { ServerFacts } from './server-facts.ts'
import type { TargetHealth } from './target-health.ts'
import type { TargetRates } from './target-rates.ts'

export interface TargetFacts {
  readonly placement: Placement
  readonly health: Pick<TargetHealth, 'stateOf'>
  readonly load: Pick<ProviderLoad, 'of'>
  readonly index: PrefixIndex
  readonly rates: Pick<TargetRates, 'of'>
  readonly work: OpenWork
  readonly traitsOf: (provider: string) => ServerTraits
  readonly serverFacts: Pick<ServerFacts, 'busyElsewhere' | 'modelOf' | 'slotsOf' | 'isSleeping'>
  /** Whether a provider is known to speak a format, so that calls in it need no translation. */
  readonly hasShown: (provider: string, format: string) => boolean
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** From 0 to below 1, at random. */
  readonly chance: () => number
}

/** A call that is to be placed. */
export interface Placeable {
  /** The model or wildcard, never an alias. */
  readonly model: string
  readonly targets: readonly Target[]
  /** Of its prompt. Undefined: targets are chosen by their load alone. */
  readonly prefix: PrefixHashes | undefined
  /** Of the client. */
  readonly format: string
  /** Targets that the call does not fit (`unfitTargets`); they come last. Absent: it may fit all. */
  readonly unfit?: ReadonlySet<Target> | undefined
}

/** What is known of a target for one call. */
export interface TargetProspect extends Prospect {
  /** What it is believed to have cached, whatever experience says. */
  readonly believed: KnownPrefix
  readonly readMsPerByte: number
}

export interface Choice {
  /** The same targets, the best first. */
  readonly targets: readonly Target[]
  /** Of them, those that the call may fit: the first ones. All, where it fits none: then the servers' own counts decide. */
  readonly possible: readonly Target[]
  /** For `Placement.giveBack`, if the call is not admitted. Undefined: nothing was counted. */
  readonly turn: Turn | undefined
  /** Why the first of them is the first. */
  readonly reason: PlacementReason
  /** Undefined: nothing was asked of them. */
  readonly prospects: ReadonlyMap<Target, TargetProspect> | undefined
}

/** Chooses among a model's targets, and counts the choice. */
export function chooseTargets(
  { model, targets, prefix, format, unfit }: Placeable,
  facts: TargetFacts,
): Choice {
  if (targets.length === 1)
    return { targets, possible: targets, turn: undefined, reason: 'only', prospects: undefined }
  const { health, load, placement } = facts
  const nowMs = facts.now()
  const credits = placement.creditsOf(model, targets.length)
  const prospects = prefix === undefined ? undefined : prospectsOf(targets, prefix, facts, nowMs)
  const candidates = targets.map((target, index) => {
    const { isReady, readyAtMs } = health.stateOf(target, nowMs)
    const passes = facts.hasShown(target.provider, format)
    const busy = load.of(target.provider)
    const cost = costOf(target, prospects?.get(target))
    return { target, isReady, readyAtMs, busy, cost, passes, credit: credits[index]! }
  })
  const isMixed = unfit !== undefined && unfit.size < targets.length
  const fitting = isMixed ? candidates.filter(({ target }) => !unfit.has(target)) : candidates
  const roll = facts.chance()
  const { targets: best, equals } = orderTargets(fitting, roll)
  const others = isMixed ? candidates.filter(({ target }) => unfit.has(target)) : []
  const ordered = isMixed ? [...best, ...orderTargets(others, facts.chance()).targets] : best
  const [first] = ordered
  const usual = reasonFor(fitting, { first: first!, equals, prospects })
  const isByFit = isMixed && isChosenByFit(usual, { candidates, unfit, roll, first: first! })
  const reason = isByFit ? 'fits' : usual
  if (equals.length < 2) return { targets: ordered, possible: best, turn: undefined, reason, prospects }
  const indexed = equals.map(({ target }) => ({ index: targets.indexOf(target), weight: target.weight }))
  const turn = { equals: indexed, chosen: targets.indexOf(first!) }
  const taken = placement.take(model, turn, targets.length)
  return { targets: ordered, possible: best, turn: taken, reason, prospects }
}

/** Of clouds the price, where they are all that the model has. */
function costOf({ price }: Target, prospect: TargetProspect | undefined): number {
  if (prospect === undefined) return 0
  const { expectedMs: ms, promptBytes, cachedBytes } = prospect
  return ms ?? expectedPrice(promptBytes, cachedBytes, price)
}

function prospectsOf(
  targets: readonly Target[],
  hashes: PrefixHashes,
  facts: TargetFacts,
  nowMs: number,
): Map<Target, TargetProspect> {
  const { load, work, rates } = facts
  const promptBytes = bytesOf(hashes)
  const learned = targets.map((target) => rates.of(targetKey(target)))
  const readRates = comparableRates(learned)
  const traits = targets.map(({ provider }) => facts.traitsOf(provider))
  const isPaid = traits.every(({ cache }) => cache === 'paid')
  const leastWeight = Math.min(...targets.map(({ weight }) => weight))
  const prospects = new Map<Target, TargetProspect>()
  for (const [at, target] of targets.entries()) {
    const { provider, weight } = target
    const { slots: reported, state } = facts.serverFacts.modelOf(provider, target.model)
    const loadMs = loadMsOf(facts.serverFacts.isSleeping(provider) ? 'sleeping' : state)
    const asked = { provider, target: targetKey(target), hashes, traits: traits[at]! }
    // A model that was put aside has lost its cache.
    const believed = loadMs > 0 ? nothingKnown : usablePrefix(asked, facts, nowMs)
    const cachedBytes = believed.bytes * learned[at]!.trust
    const readMsPerByte = readRates[at]!
    const queue = load.of(provider) + facts.serverFacts.busyElsewhere(provider)
    const known = { believed, cachedBytes, promptBytes, queue, readMsPerByte }
    if (isPaid) prospects.set(target, known)
    else {
      const slots =
        traits[at]!.slots ??
        reported ??
        facts.serverFacts.slotsOf(provider) ??
        usualSlots(traits[at]!, weight / leastWeight)
      const expected = { promptBytes, cachedBytes, readMsPerByte, slots, queue, loadMs }
      prospects.set(target, { ...known, expectedMs: expectedMs(provider, expected, work, nowMs) })
    }
  }
  return prospects
}

/** Of a server whose slots are not known. */
function usualSlots({ cache }: ServerTraits, relativeWeight: number): number {
  return cache === 'slots' ? Math.round(relativeWeight) : Infinity
}

/** Whether a target would have come first, or had its turn, that the call does not fit. */
function isChosenByFit(
  usual: PlacementReason,
  {
    candidates,
    unfit,
    roll,
    first,
  }: {
    readonly candidates: readonly Candidate[]
    readonly unfit: ReadonlySet<Target>
    readonly roll: number
    readonly first: Target
  },
): boolean {
  if (usual === 'cooling') return false
  if (unfit.has(orderTargets(candidates, roll).targets[0]!)) return true
  if (usual !== 'only') return false
  return candidates.some(({ target, isReady }) => isReady && target.tier === first.tier && unfit.has(target))
}

interface Chosen {
  readonly first: Target
  readonly equals: readonly Candidate[]
  readonly prospects: ReadonlyMap<Target, TargetProspect> | undefined
}

function reasonFor(candidates: readonly Candidate[], { first, equals, prospects }: Chosen): PlacementReason {
  const ready = candidates.filter(({ isReady, target }) => isReady && target.tier === first.tier)
  const chosen = ready.find(({ target }) => target === first)
  if (chosen === undefined) return 'cooling'
  if (ready.length === 1) return 'only'
  if (equals.length > 1) return 'turn'
  const cached = (target: Target) => prospects?.get(target)?.cachedBytes ?? 0
  if (ready.every((each) => each === chosen || cached(each.target) < cached(first))) return 'cached'
  const load = ({ busy, target }: Candidate) => busy / target.weight
  return ready.every((each) => load(each) >= load(chosen)) ? 'least_busy' : 'soonest'
}

/** Of the whole prompt, in bytes. */
export function bytesOf(hashes: PrefixHashes): number {
  return hashes.length === 0 ? 0 : hashes[hashes.length - wordsPerPrefix + 2]!
}

export function targetKey({ provider, model }: Target): string {
  return startOfKeys(provider) + model
}

/** Of the keys of a provider's targets. Unambiguous, because a provider's name contains no line feed. */
export function startOfKeys(provider: string): string {
  return `${provider}\n`
}

/** Why a call is at `target`, one of the choice's. */
export function placedOf({ targets, reason, prospects }: Choice, target: Target): Placed {
  const placed = prospects?.get(target)
  const why = target === targets[0] ? reason : 'free_slot'
  if (placed === undefined) return { reason: why }
  const { cachedBytes, promptBytes, queue, expectedMs } = placed
  return { reason: why, cachedBytes, promptBytes, queue, ...(expectedMs !== undefined && { expectedMs }) }
}
