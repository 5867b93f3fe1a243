// Budgets that several gateways share. Of each window of a budget, every machine holds a ceiling that what it has spent and
// reserved there never exceeds by an admission; all ceilings together never exceed the budget (allotments.ts). A ceiling lasts until
// the window is over: what a machine that is gone has spent stays spent.
import type { SetTimer } from '../../../platform/clock.ts'
import {
  type BudgetCeiling,
  type BudgetCeilings,
  type BudgetUse,
  type BudgetWindow,
  nothingUsed,
  type SharedBook,
} from '../../budget-ceilings.ts'
import type { Allotments, WhenUnavailable } from './allotments.ts'
import type { Agreed } from './exchange.ts'
import { FreedWaiters } from './freed-waiters.ts'
import type { SharedScope } from './open-scope.ts'

export interface SharedBudgetsParts {
  readonly allotments: Allotments
  /** Names a scope of spending in the server; undefined: it is of this machine alone. */
  readonly keyOf: (scope: string) => string | undefined
  readonly whenUnavailable: WhenUnavailable
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  readonly setTimer: SetTimer
}

const dayMs = 24 * 60 * 60_000
/** Clocks of machines differ: what was spent counts for a while after the end of its window. */
const lingerMs = dayMs
/** What was spent for good is kept so long after its machine was last there. */
const totalLingerMs = 400 * dayMs
/** So long others have to give back what they do not use, after each question. */
const patienceMs = [50, 250]
/** Scopes that are remembered; when there are more, all are made anew when they are needed. */
const maxKnown = 10_000

export class SharedBudgets implements BudgetCeilings {
  readonly #parts: SharedBudgetsParts
  readonly #keys = new Map<string, string | undefined>()
  readonly #scopes = new Map<string, SharedScope>()
  readonly #waiters: FreedWaiters
  #book: SharedBook | undefined

  constructor(parts: SharedBudgetsParts) {
    this.#parts = parts
    this.#waiters = new FreedWaiters(parts.setTimer)
  }

  serve(book: SharedBook): void {
    this.#book = book
  }

  of(window: BudgetWindow): BudgetCeiling | undefined {
    const scope = this.#scopeOf(window)
    if (scope === undefined) return undefined
    const { allotments, whenUnavailable } = this.#parts
    const [most = 0] = allotments.ceilings(scope)
    const { limit } = window
    if (allotments.isUnavailable(scope)) {
      return { most, isRest: most >= limit, mustRefuse: whenUnavailable === 'refuse' }
    }
    const others = allotments.lastAgreed(scope)?.dimensions
    const isRest = others !== undefined && most + others[0]!.others >= limit && others[1]!.usedByOthers === 0
    return { most, isRest, mustRefuse: false }
  }

  others(window: BudgetWindow): BudgetUse {
    const scope = this.#scopeOf(window)
    return scope === undefined ? nothingUsed : useByOthers(this.#parts.allotments.lastAgreed(scope))
  }

  ask(window: BudgetWindow, amount: number): Promise<void> | undefined {
    const scope = this.#scopeOf(window)
    if (scope === undefined || !this.#mayAsk(scope, window, amount)) return undefined
    return this.#ask(scope, window, amount)
  }

  async look(window: BudgetWindow): Promise<void> {
    const scope = this.#scopeOf(window)
    if (scope !== undefined) await this.#parts.allotments.look(scope)
  }

  /** Others may have given something back. */
  onFreed(): void {
    this.#waiters.wake()
  }

  /** Nothing is asked while the server has lately said that nothing is left, or nobody can be asked. */
  #mayAsk(scope: SharedScope, { limit }: BudgetWindow, amount: number): boolean {
    const { allotments } = this.#parts
    if (amount <= 0 || allotments.mayAsk(scope)) return amount > 0
    if (allotments.isUnavailable(scope)) return false
    const [first] = allotments.lastAgreed(scope)!.dimensions
    return limit > first!.held + first!.others || first!.others > first!.usedByOthers
  }

  async #ask(scope: SharedScope, window: BudgetWindow, amount: number): Promise<void> {
    const { allotments } = this.#parts
    const { limit } = window
    const used = () => scope.use().used[0]!
    for (let count = 0; count <= patienceMs.length; count++) {
      await allotments.ask(scope, [amount, 0])
      if (used() + amount <= allotments.ceilings(scope)[0]!) return
      const agreed = allotments.lastAgreed(scope)
      if (agreed === undefined || allotments.isUnavailable(scope)) return
      const [{ held, others, usedByOthers }, { usedByOthers: reservedByOthers }] = agreed.dimensions as [
        Agreed['dimensions'][0],
        Agreed['dimensions'][0],
      ]
      const mayCome = others > usedByOthers || limit - others - held >= amount
      if (mayCome && count < patienceMs.length) {
        await this.#freed(patienceMs[count]!)
        continue
      }
      const rest = limit - others - used()
      const isAlone = this.#book!.useOf(window).reserved === 0 && reservedByOthers === 0
      // It takes all that is left, so that nobody else begins a call that is larger than that.
      if (isAlone && rest > 0) await allotments.ask(scope, [Math.min(rest, amount), 0])
      break
    }
    // What does not fit is refused, and others need not leave room for it.
    await allotments.withdraw(scope)
  }

  async #freed(withinMs: number): Promise<void> {
    const wait = this.#waiters.begin(withinMs)
    await wait.next()
    wait.end()
  }

  #scopeOf(window: BudgetWindow): SharedScope | undefined {
    const { scope, budget, limit, startMs } = window
    const id = `${budget.unit}:${budget.per}:${startMs}:${limit}:${scope.name}`
    const known = this.#scopes.get(id)
    if (known !== undefined) return known
    const owner = this.#keyOf(scope.name)
    if (owner === undefined) return undefined
    if (this.#scopes.size >= maxKnown) this.#scopes.clear()
    const made = this.#makeScope(window, `b:${owner}:${budget.unit}:${budget.per}:${startMs}`)
    this.#scopes.set(id, made)
    return made
  }

  #keyOf(scope: string): string | undefined {
    if (this.#keys.has(scope)) return this.#keys.get(scope)
    if (this.#keys.size >= maxKnown) this.#keys.clear()
    const key = this.#parts.keyOf(scope)
    this.#keys.set(scope, key)
    return key
  }

  #makeScope(window: BudgetWindow, key: string): SharedScope {
    const { wallNow } = this.#parts
    const { limit, endMs } = window
    const lingersMs = () =>
      endMs === Infinity ? totalLingerMs : Math.max(1, Math.ceil(endMs + lingerMs - wallNow()))
    return {
      key,
      isLasting: true,
      // What was reserved by a machine that is gone counts as spent, for nobody knows.
      get limits() {
        return [
          { limit, lingerMs: lingersMs() },
          { limit: undefined, lingerMs: 0 },
        ]
      },
      use: () => {
        const { spent, reserved } = this.#book?.useOf(window) ?? nothingUsed
        return { used: [spent + reserved, reserved], nextMs: undefined }
      },
      isOver: () => wallNow() >= endMs + lingerMs,
      onAgreed: (agreed, before) => this.#book?.heard(window, useByOthers(before), useByOthers(agreed)),
    }
  }
}

function useByOthers(agreed: Agreed | undefined): BudgetUse {
  const [all, reserved] = agreed?.dimensions ?? []
  if (all === undefined || reserved === undefined) return nothingUsed
  return { spent: Math.max(0, all.usedByOthers - reserved.usedByOthers), reserved: reserved.usedByOthers }
}
