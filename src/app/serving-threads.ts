// The threads that serve calls, as the gateway that owns what they share sees them: its own one, or several worker threads.
import type { KeyFile } from '../clients/keys/key-record.ts'
import type { Config } from '../config/types.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { HistoryLook } from '../status/call-history.ts'
import type { OpenCall } from '../status/open-call.ts'
import type { AppliedKeys } from './key-application.ts'
import type { ThreadFacts } from './metrics-source.ts'
import type { ProviderSet } from './provider-pool.ts'

/** What one thread knows of its calls. */
export interface ThreadLook {
  /** Under way. Bodies that are still being read are no calls yet. */
  readonly calls: readonly OpenCall[]
  readonly recent: HistoryLook
}

export interface ServingThreads {
  /** `http://127.0.0.1:4000` and so on; none before `start` has resolved. */
  readonly addresses: readonly string[]
  /** As this thread asks them about models and health. */
  readonly providers: ProviderSet
  readonly isDraining: boolean
  /**
   * Serves calls from here on. What failed is ended again.
   * @throws StartError when an address can't be had, or a user to be served does not exist here.
   */
  start(): Promise<void>
  /** Serves by another configuration from the next call on. @returns when all threads do; undefined: they do. */
  reload(config: Config): Promise<void> | undefined
  /** Checks requests against these keys from now on, and ends the calls whose keys were revoked. */
  setKeys(file: KeyFile): AppliedKeys | Promise<AppliedKeys>
  /** The same for secrets that are revoked, ahead of the keys without them. `setKeys` counts the calls. */
  revokeKeys(secretIds: ReadonlySet<string>): void
  /** In force. */
  routes(): RouteTable
  /** At calls of all threads. A thread that is busy for longer than a second is left out. */
  look(): Promise<readonly ThreadLook[]>
  count(): ThreadFacts['workers']
  /** For metrics; of a thread that is busy for longer than a quarter of a second, what it answered last. */
  describe(): Promise<ThreadFacts>
  /** Undefined: of several threads it is not known at once. */
  openCalls(): number | undefined
  /** Ends a call of any thread. @returns false: no call with this request id is under way. */
  cancelCall(id: string, by?: string): Promise<boolean>
  /** Whether each of several threads has answered since this was asked last. */
  isAlive(): boolean
  /** Accepts nothing more: the first step of a stop. */
  drain(): void
  /**
   * Lets calls under way finish for `server.shutdown_grace_ms`, then ends them. Resolves when all are settled.
   * @param onGraceOver called before calls are ended.
   */
  stop(reason: string, onGraceOver: () => void): Promise<void>
  /** Closes what calls used, after a stop. */
  close(): Promise<void>
}
