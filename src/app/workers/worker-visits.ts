// Visits of services by a worker's requests that are no model calls, in the main thread.
import type { Disconnect } from '../../admission/waiting-line.ts'
import type { Coordinator, Entry } from '../../call/coordinator.ts'
import type { ServiceEntry, ServiceVisit } from '../../upstream/services/services.ts'
import type { Requests } from './messages.ts'

interface Visiting {
  readonly disconnect: Disconnect
  /** Once it is in. */
  visit: ServiceVisit | undefined
}

export class WorkerVisits {
  readonly #coordinator: Pick<Coordinator, 'visitIfOpen' | 'visitService'>
  #visits = new Map<number, Visiting>()

  constructor(coordinator: Pick<Coordinator, 'visitIfOpen' | 'visitService'>) {
    this.#coordinator = coordinator
  }

  /** Lets a request in, now or in its turn. @param id of the question, and of the visit. */
  begin(
    id: number,
    { provider, isPatient, ...caller }: Requests['visit_service']['params'],
  ): Entry | undefined | Promise<Entry | undefined> {
    const disconnect: Disconnect = { isGone: false, onGone: undefined }
    const visiting: Visiting = { disconnect, visit: undefined }
    this.#visits.set(id, visiting)
    const take = (entry: ServiceEntry | ServiceVisit | undefined): Entry | undefined => {
      if (entry !== undefined && 'leave' in entry) return enter(entry, 0)
      if (entry?.kind === 'entered') return enter(entry.visit, entry.waitedMs)
      this.#visits.delete(id)
      return entry
    }
    const enter = (visit: ServiceVisit, waitedMs: number): Entry => {
      // What asked for it has left meanwhile.
      if (this.#visits.get(id) === visiting) visiting.visit = visit
      else visit.leave()
      return { kind: 'entered', waitedMs }
    }
    const entering = isPatient
      ? this.#coordinator.visitService(provider, { ...caller, disconnect })
      : this.#coordinator.visitIfOpen(provider)
    return entering instanceof Promise ? entering.then(take) : take(entering)
  }

  /** It is over, or what asked for it has left. */
  end(id: number): void {
    const visiting = this.#visits.get(id)
    if (visiting === undefined) return
    this.#visits.delete(id)
    visiting.disconnect.isGone = true
    visiting.disconnect.onGone?.()
    visiting.visit?.leave()
  }

  /** It has failed: who asked has none. */
  forget(id: number): void {
    this.#visits.delete(id)
  }

  /** All, which are to be left: the worker has ended. */
  takeAll(): readonly Readonly<Visiting>[] {
    const visits = [...this.#visits.values()]
    this.#visits = new Map()
    return visits
  }
}
