// What an admitted call can do with its reservation, in one object.
import type { Admission, Admitted } from '../../src/admission/admission.ts'
import type { Outcome } from '../../src/admission/outcome.ts'
import type { Scope } from '../../src/admission/scopes.ts'
import type { LimitStatus } from '../../src/domain.ts'

export interface Held {
  readonly provider: string | undefined
  readonly tokens: number
  readonly waitedMs: number
  readonly limitStatus: LimitStatus
  moveTo(providers: readonly Scope[]): boolean | Promise<boolean>
  grow(tokens: number): void
  settle(outcome: Outcome): void
}

export function heldBy(admission: Admission, { reservation, waitedMs, limitStatus }: Admitted): Held {
  return {
    get provider() {
      return reservation.choice?.name
    },
    get tokens() {
      return reservation.tokens
    },
    waitedMs,
    limitStatus,
    moveTo: (providers) => admission.move(reservation, providers),
    grow: (tokens) => admission.grow(reservation, tokens),
    settle: (outcome) => admission.settle(reservation, outcome),
  }
}
