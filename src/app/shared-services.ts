// What all calls of a process share, whichever thread serves them. One owner has it (own-services.ts); worker threads ask it.
import type { FloodWindows } from '../admission/flood-windows.ts'
import type { Coordinator } from '../call/coordinator.ts'
import type { SpokenFormats } from '../call/spoken-formats.ts'
import type { KeySets } from '../clients/identity/key-set.ts'
import type { UsageAnswer } from '../ledger/ledger.ts'
import type { UsageQuestion } from '../ledger/report.ts'
import type { ObjectOwners } from '../routing/object-owners.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'

export interface SharedServices {
  readonly coordinator: Coordinator
  readonly formats: SpokenFormats
  readonly owners: ObjectOwners
  /** The keys of those who sign identities. */
  readonly keySets: KeySets
  /** Undefined: requests of a client are not limited. */
  readonly floodWindows: FloodWindows | undefined
  /** Has the providers asked again that may have a model that is unknown so far; resolves within about a second. */
  refreshModels(model: string): Promise<void>
  /** `GET /metrics`, in slices of whole lines. */
  readMetrics(): Promise<readonly string[]>
  /** Reads the ledger. */
  readUsage(question: UsageQuestion): Promise<UsageAnswer>
  /** How limits stand that machines share. Undefined: they are this one's alone. */
  describeStore(): Promise<SharedStoreReport | undefined>
  /** What the providers list. */
  readonly discovered: Discovered
  /** Called with all lists of models when one has changed. One listener. */
  onModels: ((discovered: Discovered) => void) | undefined
  /** The server of a provider with a service ends, has ended or is another one: whoever listens there next is not known. */
  onServerEnded: ((provider: string) => void) | undefined
}
