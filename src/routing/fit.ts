// Where a call fits: which targets can't hold its prompt or lack what it needs, as far as that is known. It only orders
// targets: an estimate may be wrong, and a server counts for itself.
import type { RequestSize, Target } from '../domain.ts'
import type { Ability, ServerFacts } from './server-facts.ts'

/** What a call takes at a target, in tokens. */
interface CallTokens {
  /** Of the prompt, with a margin. */
  readonly promptTokens: number
  readonly outputTokens: number
}

/** A call that has a choice, be it among its targets or of another model. */
interface FitCall {
  readonly model: string
  readonly targets: readonly Target[]
  readonly size: RequestSize
  readonly needs?: readonly Ability[] | undefined
  /** Another model may answer instead. */
  readonly skipsFailing: boolean
}

interface FitFacts {
  readonly serverFacts: Pick<ServerFacts, 'modelOf'>
  readonly calibration: {
    estimate(model: string, provider: string, size: RequestSize, tpm: undefined): CallTokens
  }
}

/** An answer that is longer than this part of the context need not fit: it ends when the context is full. */
const maxOutputShare = 0.25

/** The targets that a call does not fit. Undefined: it may fit all of them, or there is no other choice. */
export function unfitTargets(
  call: FitCall,
  { serverFacts, calibration }: FitFacts,
): ReadonlySet<Target> | undefined {
  const { targets, needs } = call
  if (targets.length === 1 && !call.skipsFailing) return undefined
  let unfit: Set<Target> | undefined
  for (const target of targets) {
    const { contextLength, takes } = serverFacts.modelOf(target.provider, target.model)
    if (canAll(needs, takes) && holds(contextLength, target, call, calibration)) continue
    unfit ??= new Set()
    unfit.add(target)
  }
  return unfit
}

function canAll(needs: readonly Ability[] | undefined, takes: ReadonlySet<Ability> | undefined): boolean {
  return needs === undefined || takes === undefined || needs.every((need) => takes.has(need))
}

function holds(
  contextLength: number | undefined,
  { provider }: Target,
  { model, size }: FitCall,
  calibration: FitFacts['calibration'],
): boolean {
  if (contextLength === undefined) return true
  const { promptTokens, outputTokens } = calibration.estimate(model, provider, size, undefined)
  return promptTokens + Math.min(outputTokens, contextLength * maxOutputShare) <= contextLength
}

/** Whether what a call needs can decide among targets. */
export function areAbilitiesKnown(
  targets: readonly Target[],
  serverFacts: Pick<ServerFacts, 'modelOf'>,
): boolean {
  return targets.some(({ provider, model }) => serverFacts.modelOf(provider, model).takes !== undefined)
}
