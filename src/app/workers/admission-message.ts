// An admission on its way to the worker that asked for it.
import type { Hold } from '../../call/coordinator.ts'
import type { Target } from '../../domain.ts'
import type { AdmissionMessage } from './messages.ts'

/** @param targets of the question, to whose places it refers. */
export function admittedMessage(hold: Hold, targets: readonly Target[]): AdmissionMessage {
  const { placement, promptTokens, tokens, waitedMs, isSlotLimited, countsAs, isBudgeted, limitStatus } = hold
  const providers = new Set(targets.map(({ provider }) => provider))
  return {
    kind: 'admitted',
    order: hold.targets.map((target) => targets.indexOf(target)),
    target: targets.indexOf(hold.target),
    placement,
    promptTokens,
    tokens,
    waitedMs,
    isSlotLimited,
    countsAs,
    isBudgeted,
    limitStatus,
    failureKinds: targets.flatMap((target, index) => {
      const failureKind = hold.failureKindOf(target)
      return failureKind === undefined ? [] : [[index, failureKind] as const]
    }),
    uselessUsageWishes: [...providers].flatMap((provider) => {
      const why = hold.uselessUsageWishOf(provider)
      return why === undefined ? [] : [[provider, why] as const]
    }),
  }
}
