// The flood limit over several workers, exact and mostly without a question: the owner leases permits to a worker ahead of
// its client's requests. A permit counts from its lease on until 60 seconds after its use, so all together never pass more
// than the limit; and before a request is refused, permits that lie unused elsewhere are called back, so none is refused
// too early. Permits are leased only while a client is far from its limit.
import type { LeasableWindows } from '../../admission/flood-windows.ts'

/** A worker, as far as it holds permits. */
export interface LeaseHolder {
  /** Calls the client's unused permits back; `FloodLeases.onReturned` follows. */
  recall(client: string): void
}

/** Most permits of a client that one worker holds. */
const maxPermits = 32
/** Of the room that is left to half of the limit, a lease takes this part at most. */
const leasePart = 8

/** The leases of one client. */
interface ClientLeases {
  readonly held: Map<LeaseHolder, number>
  /** Called when all recalled permits have been returned. */
  onAllRecalled: (() => void)[]
  /** Those that have not answered yet. */
  readonly recalled: Set<LeaseHolder>
}

export class FloodLeases {
  readonly #windows: LeasableWindows
  readonly #clients = new Map<string, ClientLeases>()

  constructor(windows: LeasableWindows) {
    this.#windows = windows
  }

  /** As `FloodWindows.take`, for a worker that holds no permit of this client. */
  async take(client: string): Promise<number> {
    for (;;) {
      const leased = this.#leased(client)
      if (leased === 0 || this.#windows.used(client) + leased < this.#windows.rpm) {
        return this.#windows.take(client)
      }
      await this.#recallAll(client)
    }
  }

  /** A permit was used. */
  onUsed(client: string, holder: LeaseHolder): void {
    this.#add(client, holder, -1)
    void this.#windows.take(client)
  }

  /** @returns how many more permits the worker holds from now on. */
  lease(client: string, holder: LeaseHolder): number {
    if (!this.#windows.mayLease(client)) return 0
    const leases = this.#clients.get(client)
    const own = leases?.held.get(holder) ?? 0
    if (own > maxPermits / 2 || leases?.recalled.has(holder) === true) return 0
    const available = this.#windows.rpm / 2 - this.#windows.used(client) - this.#leased(client)
    const count = Math.min(maxPermits - own, Math.floor(available / leasePart))
    if (count <= 0) return 0
    this.#add(client, holder, count)
    return count
  }

  /** So many permits were not used, and are not used any more. */
  onReturned(client: string, holder: LeaseHolder, count: number): void {
    this.#add(client, holder, -count)
    this.#onRecalled(client, holder)
  }

  /** A worker has ended: its permits count as used, for nobody knows. */
  end(holder: LeaseHolder): void {
    for (const [client, { held }] of this.#clients) {
      const own = held.get(holder) ?? 0
      for (let count = 0; count < own; count++) this.onUsed(client, holder)
      this.#onRecalled(client, holder)
    }
  }

  #leased(client: string): number {
    let sum = 0
    for (const count of this.#clients.get(client)?.held.values() ?? []) sum += count
    return sum
  }

  #add(client: string, holder: LeaseHolder, count: number): void {
    let leases = this.#clients.get(client)
    if (leases === undefined) {
      leases = { held: new Map(), onAllRecalled: [], recalled: new Set() }
      this.#clients.set(client, leases)
    }
    const own = (leases.held.get(holder) ?? 0) + count
    if (own > 0) leases.held.set(holder, own)
    else leases.held.delete(holder)
    if (leases.held.size === 0 && leases.recalled.size === 0) this.#clients.delete(client)
  }

  #recallAll(client: string): Promise<void> {
    const leases = this.#clients.get(client)!
    for (const holder of leases.held.keys()) {
      if (leases.recalled.has(holder)) continue
      leases.recalled.add(holder)
      holder.recall(client)
    }
    return new Promise((resolve) => void leases.onAllRecalled.push(resolve))
  }

  #onRecalled(client: string, holder: LeaseHolder): void {
    const leases = this.#clients.get(client)
    if (leases?.recalled.delete(holder) !== true || leases.recalled.size > 0) return
    if (leases.held.size === 0) this.#clients.delete(client)
    for (const resolve of leases.onAllRecalled.splice(0)) resolve()
  }
}
