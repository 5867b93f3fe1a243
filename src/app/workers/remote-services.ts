// A worker's way to what the main thread owns: each question is a message, and its answer another one.
import type { Coordinator } from '../../call/coordinator.ts'
import type { UsageAnswer } from '../../ledger/ledger.ts'
import type { UsageQuestion } from '../../ledger/report.ts'
import type { ObjectOwners, OwnedObject, OwnersFound } from '../../routing/object-owners.ts'
import type { PrefixKey } from '../../routing/prefix-hashes.ts'
import type { Discovered } from '../../routing/discovered-names.ts'
import type { SharedServices } from '../shared-services.ts'
import type { SharedStoreReport } from '../../status/shared-store.ts'
import type { StatusSource } from '../../status/status-source.ts'
import type { FoundFormats, OwnerMessage, PermitMessage } from './messages.ts'
import { PendingRequests, type ToOwner } from './pending-requests.ts'
import { RemoteCoordinator } from './remote-coordinator.ts'
import { RemoteFloodWindows } from './remote-flood-windows.ts'
import { RemoteFormats } from './remote-formats.ts'
import { RemoteKeySets } from './remote-key-sets.ts'
import { receivedError } from './sent-error.ts'

interface RemoteParts {
  readonly outbox: ToOwner
  readonly rpm: number | undefined
  readonly now: () => number
  readonly discovered: Discovered
  readonly foundFormats: FoundFormats
  /** The owner's. */
  readonly prefixKey: PrefixKey
  /** Receives a bug of the owner that ends nothing here. */
  readonly onBug: (error: Error) => void
}

export class RemoteServices implements SharedServices {
  readonly coordinator: Coordinator
  readonly formats: RemoteFormats
  readonly owners: ObjectOwners
  readonly floodWindows: RemoteFloodWindows | undefined
  readonly keySets: RemoteKeySets
  discovered: Discovered
  onModels: ((discovered: Discovered) => void) | undefined
  onServerEnded: ((provider: string) => void) | undefined
  readonly status: StatusSource
  readonly #requests: PendingRequests
  readonly #onBug: (error: Error) => void

  /**
   * @param parts.rpm requests that one client may send in 60 seconds; undefined: unlimited.
   * @param parts.now milliseconds of a monotonic clock.
   */
  constructor({ outbox, rpm, now, discovered, foundFormats, prefixKey, onBug }: RemoteParts) {
    const requests = new PendingRequests(outbox)
    this.#requests = requests
    this.#onBug = onBug
    this.status = remoteStatus(requests)
    this.coordinator = new RemoteCoordinator(requests, outbox, now, prefixKey)
    this.owners = new RemoteObjectOwners(requests, outbox)
    this.discovered = discovered
    this.formats = new RemoteFormats({
      found: foundFormats,
      now,
      ask: (provider, format) => requests.send('find_format', { provider, format }).result,
      post: (message) => outbox.post(message),
    })
    this.keySets = new RemoteKeySets({
      now,
      ask: (url, kid) => requests.send('find_keys', { url, kid }).result,
    })
    const take = (client: string) => requests.send('take', { client }).result
    const post = (message: PermitMessage) => outbox.post(message)
    this.floodWindows = rpm === undefined ? undefined : new RemoteFloodWindows({ rpm, now, take, post })
  }

  async refreshModels(model: string): Promise<void> {
    await this.#requests.send('refresh', { model }).result
  }

  readMetrics(): Promise<readonly string[]> {
    return this.#requests.send('metrics', {}).result
  }

  readUsage(question: UsageQuestion): Promise<UsageAnswer> {
    return this.#requests.send('usage', question).result
  }

  describeStore(): Promise<SharedStoreReport | undefined> {
    return this.#requests.send('store', {}).result
  }

  onMessage(message: OwnerMessage): void {
    switch (message.kind) {
      case 'response':
        this.#requests.onResponse(message.id, message.result)
        return
      case 'failed':
        this.#onFailed(message.id, receivedError(message.error))
        return
      case 'models':
        this.discovered = message.discovered
        this.onModels?.(message.discovered)
        return
      case 'server_ended':
        this.onServerEnded?.(message.provider)
        return
      case 'formats':
        this.formats.onFound(message.found)
        return
      case 'permits':
        this.floodWindows?.onPermits(message.client, message.count)
        return
      case 'recall':
        this.floodWindows?.onRecall(message.client)
        return
      case 'exhausted':
        this.#requests.onExhausted(message.hold, message.error)
        return
      default:
        message satisfies never
    }
  }

  #onFailed(id: number | undefined, error: Error): void {
    // Who has asked may have left.
    const isAwaited = id !== undefined && this.#requests.onFailed(id, error)
    if (!isAwaited) this.#onBug(error)
  }
}

/** What the main thread assembles. */
function remoteStatus(requests: PendingRequests): StatusSource {
  return {
    report: async (view) => answered(await requests.send('status', view).result),
    explain: async (name) => answered(await requests.send('explain', { name }).result),
    cancel: async (id, by) => answered(await requests.send('end_call', { id, by }).result),
  }
}

/** @throws where the main thread has failed at it. */
function answered<Answer>(answer: Answer | undefined): Answer {
  if (answer === undefined) throw new Error('the main thread did not answer')
  return answer
}

class RemoteObjectOwners implements ObjectOwners {
  readonly #requests: PendingRequests
  readonly #outbox: ToOwner

  constructor(requests: PendingRequests, outbox: ToOwner) {
    this.#requests = requests
    this.#outbox = outbox
  }

  remember(objects: readonly OwnedObject[]): void {
    if (objects.length === 0) return
    this.#outbox.post({ kind: 'remember', objects })
    // Before the response is written: its client may ask for the object at once, at another worker.
    this.#outbox.flush()
  }

  ownersOf(ids: readonly string[]): OwnersFound | Promise<OwnersFound> {
    return ids.length === 0 ? [] : this.#requests.send('owners', { ids }).result
  }

  hasAny(client: string, kind: string): Promise<boolean> {
    return this.#requests.send('has_objects', { client, kind }).result
  }
}
