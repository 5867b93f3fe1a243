// A worker's part in the flood limit: requests pass by permits that the owner has leased, and by a question without one.
import { type FloodWindows, floodWindowMs } from '../../admission/flood-windows.ts'
import type { PermitMessage } from './messages.ts'

export interface RemoteFloodParts {
  /** As configured; at least 1. */
  readonly rpm: number
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** Asks the owner, as `FloodWindows.take`. */
  readonly take: (client: string) => Promise<number>
  readonly post: (message: PermitMessage) => void
}

interface Permits {
  left: number
  usedAtMs: number
}

export class RemoteFloodWindows implements FloodWindows {
  readonly rpm: number
  readonly #parts: RemoteFloodParts
  readonly #byClient = new Map<string, Permits>()
  #sweptAtMs = -Infinity

  constructor(parts: RemoteFloodParts) {
    this.#parts = parts
    this.rpm = parts.rpm
  }

  take(client: string): number | Promise<number> {
    const permits = this.#byClient.get(client)
    if (permits === undefined || permits.left === 0) return this.#parts.take(client)
    permits.left -= 1
    permits.usedAtMs = this.#parts.now()
    this.#parts.post({ kind: 'permit_used', client })
    return 0
  }

  onPermits(client: string, count: number): void {
    const nowMs = this.#parts.now()
    const permits = this.#byClient.get(client)
    if (permits === undefined) this.#byClient.set(client, { left: count, usedAtMs: nowMs })
    else permits.left += count
    if (nowMs - this.#sweptAtMs >= floodWindowMs) this.#returnIdle(nowMs)
  }

  onRecall(client: string): void {
    this.#returnPermits(client, this.#byClient.get(client)?.left ?? 0)
  }

  /** A client that has sent nothing for a window may never come back. */
  #returnIdle(nowMs: number): void {
    this.#sweptAtMs = nowMs
    for (const [client, { left, usedAtMs }] of this.#byClient) {
      if (usedAtMs + floodWindowMs <= nowMs) this.#returnPermits(client, left)
    }
  }

  #returnPermits(client: string, count: number): void {
    this.#byClient.delete(client)
    this.#parts.post({ kind: 'permits_returned', client, count })
  }
}
