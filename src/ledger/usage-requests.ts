// Questions to the ledger that wait: until all rows before them are sent, and then for their answers.
import type { ToWriter } from './messages.ts'
import type { UsageQuestion, UsageReport } from './report.ts'

/** Questions that may wait for an answer; each takes the thread some 20 ms. */
const maxRequests = 8

export class UsageRequests {
  readonly #answers = new Map<number, (report: UsageReport | undefined) => void>()
  #unsent: ToWriter[] = []
  #lastId = 0

  /** No further one may be added. */
  get isFull(): boolean {
    return this.#answers.size >= maxRequests
  }

  /** @returns undefined: the ledger cannot be read now. */
  add(question: UsageQuestion): Promise<UsageReport | undefined> {
    const id = ++this.#lastId
    this.#unsent.push({ kind: 'question', id, question })
    return new Promise((resolve) => void this.#answers.set(id, resolve))
  }

  /** Takes what is to be sent to the thread, once. */
  takeUnsent(): readonly ToWriter[] {
    const unsent = this.#unsent
    this.#unsent = []
    return unsent
  }

  answer(id: number, report: UsageReport | undefined): void {
    this.#answers.get(id)?.(report)
    this.#answers.delete(id)
  }

  /** Nobody answers those that there are. */
  fail(): void {
    for (const answer of this.#answers.values()) answer(undefined)
    this.#answers.clear()
    this.#unsent = []
  }
}
