// The routes of the main thread where no snapshot has them: for those who look on.
import type { Config } from '../config/types.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import { RouteTable } from '../routing/route-table.ts'
import { serverKindsOf } from '../routing/server-kinds.ts'

/** Built again when a model has come or gone: pages that are open ask each second. */
export class RoutesInForce {
  #models: Config['models'] | undefined
  #discovered: Discovered | undefined
  #table: RouteTable | undefined

  of({ models, providers }: Pick<Config, 'models' | 'providers'>, discovered: Discovered): RouteTable {
    if (this.#table === undefined || this.#models !== models || this.#discovered !== discovered) {
      this.#models = models
      this.#discovered = discovered
      this.#table = new RouteTable(models, discovered, serverKindsOf(providers))
    }
    return this.#table
  }
}
