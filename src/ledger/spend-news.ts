// What happens to budgets between two batches of the ledger. Calls that begin and end between two leave a charge and no
// hold. What a batch that failed had in it goes into the next one.
import type {
  Charge,
  OpenSpending,
  ScopeBalance,
  SpendingCall,
  SpendJournal,
  SpendScope,
  SpendSource,
} from '../domain.ts'
import { quarterMs } from './quarter-sums.ts'

/** A call under way. */
export interface HeldSpending {
  readonly id: number
  readonly sinceMs: number
  readonly scopes: readonly SpendScope[]
  readonly nano: number
  readonly tokens: number
  readonly promptTokens: number
  readonly call: SpendingCall
}

/** What one transaction changes of what is spent, in this order. */
export interface SpendBatch {
  readonly charges: readonly Charge[]
  /** Begun, or grown. */
  readonly holds: readonly HeldSpending[]
  /** Ids of holds that are over. */
  readonly ended: readonly number[]
  /** All that is spent: the file may lack some of it. */
  readonly balance: readonly ScopeBalance[] | undefined
  /** The file has nothing that the balance lacks. Else it may be the later one of the two, which nobody could read. */
  readonly isBalanceComplete: boolean
  /** Of the source. */
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly takenMs: number
}

export class SpendNews implements SpendJournal {
  readonly #onNews: () => void
  readonly #maxCharges: number
  /** Charges are added up when there are more. */
  #addedUpAbove: number
  readonly #open = new Map<number, OpenSpending>()
  readonly #changed = new Set<number>()
  /** Sent, and so perhaps in the file. */
  readonly #sent = new Set<number>()
  #charges: Charge[] = []
  #ended: number[] = []
  #source: SpendSource | undefined
  #needsBalance = true
  #isBalanceComplete = false

  /** @param maxCharges that may wait; more are added up. */
  constructor(onNews: () => void, maxCharges: number) {
    this.#onNews = onNews
    this.#maxCharges = maxCharges
    this.#addedUpAbove = maxCharges
  }

  /** Nothing is taken before. */
  follow(source: SpendSource): void {
    this.#source = source
  }

  /** The file has all that was spent up to now. */
  settled(): void {
    this.#needsBalance = false
    this.#isBalanceComplete = true
  }

  held(spending: OpenSpending): void {
    this.#open.set(spending.id, spending)
    this.#changed.add(spending.id)
    this.#onNews()
  }

  charged({ id }: OpenSpending, charges: readonly Charge[]): void {
    this.#open.delete(id)
    this.#changed.delete(id)
    const wasSent = this.#sent.delete(id)
    if (wasSent) this.#ended.push(id)
    for (const charge of charges) this.#charges.push(wasSent ? { ...charge, hold: id } : charge)
    this.#addUp()
    this.#onNews()
  }

  rebased(): void {
    this.#needsBalance = true
    for (const id of this.#open.keys()) this.#changed.add(id)
    this.#onNews()
  }

  get isEmpty(): boolean {
    if (this.#charges.length > 0 || this.#changed.size > 0 || this.#ended.length > 0) return false
    return !this.#needsBalance || (this.#source?.revision ?? 0) === 0
  }

  /** What has happened since the last batch. Undefined: nothing. */
  take(nowMs: number): SpendBatch | undefined {
    if (this.#source === undefined || this.isEmpty) return undefined
    const holds = Array.from(this.#changed, (id) => heldOf(this.#open.get(id)!))
    for (const { id } of holds) this.#sent.add(id)
    const batch = {
      charges: this.#charges,
      holds,
      ended: this.#ended,
      balance: this.#needsBalance ? this.#source.balance() : undefined,
      isBalanceComplete: this.#isBalanceComplete,
      revision: this.#source.revision,
      takenMs: nowMs,
    }
    this.#charges = []
    this.#addedUpAbove = this.#maxCharges
    this.#changed.clear()
    this.#ended = []
    if (this.#needsBalance) this.#isBalanceComplete = true
    this.#needsBalance = false
    return batch
  }

  #addUp(): void {
    if (this.#charges.length <= this.#addedUpAbove) return
    this.#charges = addedUp(this.#charges)
    // Of many scopes as many sums remain, and not each charge is to go through all of them.
    this.#addedUpAbove = Math.max(this.#maxCharges, 2 * this.#charges.length)
  }

  /** The batch that was taken last is not in the file. */
  giveBack({ charges, holds, ended, balance, isBalanceComplete }: SpendBatch): void {
    this.#charges = [...charges, ...this.#charges]
    this.#addUp()
    this.#ended = [...ended, ...this.#ended]
    for (const { id } of holds) if (this.#open.has(id)) this.#changed.add(id)
    // It lacks what was charged since.
    if (balance === undefined) return
    this.#needsBalance = true
    this.#isBalanceComplete = isBalanceComplete
  }
}

function heldOf({ id, sinceMs, nano, tokens, demand }: OpenSpending): HeldSpending {
  const { scopes, promptTokens, call } = demand
  const plain = scopes.map(({ name, entry }) => ({ name, entry }))
  return { id, sinceMs, scopes: plain, nano, tokens, promptTokens, call }
}

/** One charge for each scope and quarter of an hour. */
function addedUp(charges: readonly Charge[]): Charge[] {
  const sums = new Map<string, Charge>()
  for (const { atMs, scope, nano, tokens } of charges) {
    const quarter = Math.floor(atMs / quarterMs)
    const id = `${quarter} ${scope.name}`
    const known = sums.get(id)
    sums.set(id, {
      atMs: quarter * quarterMs,
      scope,
      requestId: '',
      nano: sum(known?.nano ?? 0, nano),
      tokens: sum(known?.tokens ?? 0, tokens),
    })
  }
  return [...sums.values()]
}

function sum(one: number, other: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, one + other)
}
