// What waits for one service, and how it gets there. Messages are few: what comes while one may not be sent is summed up in
// the next. A service that fails is asked again, less and less often.
import { type Batch, isStateful } from './forms.ts'
import type { NotifySinkKind } from '../../config/observe-types.ts'
import { type Notice, noticeKey } from './notice.ts'
import { type SendOutcome, statusFault } from '../../outbound/post.ts'

export interface SinkQueueParts {
  readonly kind: NotifySinkKind
  readonly send: (batch: Batch) => Promise<SendOutcome>
  /** Of a monotonic clock, in milliseconds. */
  readonly now: () => number
  readonly onSent: (notices: readonly Notice[]) => void
  readonly onFailed: (reason: string, retryInMs: number) => void
  /** So many notices were given up. */
  readonly onSuppressed: (notices: number, reason: string) => void
  /** Something that is saved has changed. */
  readonly onChange: () => void
}

const maxQueued = 100
const minGapMs = 30_000
const maxPerHour = 20
const hourMs = 3_600_000
const backoffMs = [60_000, 300_000, 1_800_000, 3_600_000] as const
/** Nearly four hours, after which what still holds is due to be repeated. */
const maxAttempts = 6

export class SinkQueue {
  readonly #parts: SinkQueueParts
  /** By what they are about, the oldest first. */
  readonly #waiting = new Map<string, Notice>()
  #unshown = 0
  #attempts = 0
  #isSending = false
  #notBeforeMs = -Infinity
  /** Of messages within the last hour. */
  #sentMs: number[] = []

  constructor(parts: SinkQueueParts) {
    this.#parts = parts
  }

  get waiting(): Notice[] {
    return [...this.#waiting.values()]
  }

  add(notices: Iterable<Notice>): void {
    for (const notice of notices) {
      const key = noticeKey(notice)
      // What was not sent yet is out of date.
      this.#waiting.delete(key)
      this.#waiting.set(key, notice)
    }
    const excess = [...this.#waiting.keys()].slice(0, Math.max(0, this.#waiting.size - maxQueued))
    for (const key of excess) this.#waiting.delete(key)
    if (excess.length > 0) {
      this.#unshown += excess.length
      this.#parts.onSuppressed(excess.length, `more than ${maxQueued} wait`)
    }
  }

  /** Sends what may be sent now. Never rejects; resolves when that has ended. */
  async flush(): Promise<void> {
    const { kind, now, send, onSent, onChange } = this.#parts
    const nowMs = now()
    if (this.#isSending || this.#waiting.size === 0 || nowMs < this.#notBeforeMs) return
    this.#sentMs = this.#sentMs.filter((ms) => nowMs - ms < hourMs)
    if (!isStateful(kind) && this.#sentMs.length >= maxPerHour) return
    const notices = kind === 'pagerduty' ? this.waiting.slice(0, 1) : this.waiting
    this.#isSending = true
    const unshown = this.#unshown
    const outcome = await send({ notices, unshown })
    this.#isSending = false
    if (outcome.kind !== 'taken') {
      this.#failed(outcome, notices)
      return
    }
    this.#attempts = 0
    this.#unshown -= unshown
    this.#sentMs.push(nowMs)
    this.#notBeforeMs = isStateful(kind) ? -Infinity : now() + minGapMs
    this.#remove(notices)
    onSent(notices)
    onChange()
  }

  #failed(outcome: Exclude<SendOutcome, { kind: 'taken' }>, notices: readonly Notice[]): void {
    const { now, onFailed, onSuppressed, onChange } = this.#parts
    const isRefused = outcome.kind === 'refused'
    const askedMs = isRefused ? (outcome.retryAfterMs ?? 0) : 0
    // Alertmanager calls over what it is not sent for five minutes.
    const step = this.#parts.kind === 'alertmanager' ? 0 : Math.min(this.#attempts, backoffMs.length - 1)
    const usualMs = backoffMs[step]!
    const retryInMs = Math.min(Math.max(usualMs, askedMs), hourMs)
    this.#attempts += 1
    this.#notBeforeMs = now() + retryInMs
    onFailed(isRefused ? statusFault(outcome.status) : outcome.fault, retryInMs)
    if (this.#attempts < maxAttempts) return
    this.#attempts = 0
    this.#unshown += notices.length
    this.#remove(notices)
    onSuppressed(notices.length, `${maxAttempts} attempts have failed`)
    onChange()
  }

  /** A later notice of the same condition stays. */
  #remove(notices: readonly Notice[]): void {
    for (const notice of notices) {
      if (this.#waiting.get(noticeKey(notice)) === notice) this.#waiting.delete(noticeKey(notice))
    }
  }
}
