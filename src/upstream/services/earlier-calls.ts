// Calls that were under way at a provider before it had a service: they visited none, and their server is not to be stopped under
// them. As soon as that server is adopted, each of them counts as a visit.
import type { ServiceRun } from './service-run.ts'
import type { ServiceVisit } from './services.ts'

export class EarlierCalls {
  #count: number
  readonly #visits: ServiceVisit[] = []

  constructor(count: number) {
    this.#count = count
  }

  /** Their server runs as that of the service. */
  enter(run: ServiceRun): void {
    for (; this.#count > 0; this.#count -= 1) this.#visits.push(run.enter())
  }

  /** The server that the service starts is another one. */
  forget(): void {
    this.#count = 0
  }

  /** One of them has ended, or visits the service by itself now. */
  leave(): void {
    if (this.#count > 0) this.#count -= 1
    else this.#visits.pop()?.leave()
  }
}
