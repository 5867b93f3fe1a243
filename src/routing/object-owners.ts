// Which provider has an object (a file, a response, a batch), and which client it belongs to. Providers give every object
// to whoever has the account's key, which here all clients share.

export interface ObjectOwner {
  /** As in the table of routes: `file`, `response`. */
  readonly kind: string
  readonly provider: string
  /** `Client.id`. */
  readonly client: string
}

export interface OwnedObject extends ObjectOwner {
  readonly id: string
}

/** Of all threads. Bounded: an object that is forgotten is like one that never was. */
export interface ObjectOwners {
  /** The first owner of an id stays its owner. An id of a form that no provider writes is not remembered. */
  remember(objects: readonly OwnedObject[]): void
  /** For each id its owner, or undefined. */
  ownersOf(ids: readonly string[]): OwnersFound | Promise<OwnersFound>
  /** Whether a client has any object of a kind. */
  hasAny(client: string, kind: string): boolean | Promise<boolean>
}

export type OwnersFound = readonly (ObjectOwner | undefined)[]

/** About 20 MB of memory when all are taken. */
const maxOwnedObjects = 50_000

const idForm = /^[\x21-\x7e]{1,256}$/

/** In this thread's memory. */
export class MemoryObjectOwners implements ObjectOwners {
  readonly #max: number
  readonly #objects = new Map<string, OwnedObject>()
  /** Those of one client, the oldest first. */
  readonly #byClient = new Map<string, Set<OwnedObject>>()
  /** Called with those that were new. One listener. */
  onRemembered: ((objects: readonly OwnedObject[]) => void) | undefined

  constructor(max = maxOwnedObjects) {
    this.#max = max
  }

  get size(): number {
    return this.#objects.size
  }

  remember(objects: readonly OwnedObject[]): void {
    const added = objects.filter((object) => this.#add(object))
    if (added.length > 0) this.onRemembered?.(added)
  }

  ownersOf(ids: readonly string[]): OwnersFound {
    return ids.map((id) => this.#objects.get(id))
  }

  hasAny(client: string, kind: string): boolean {
    for (const object of this.#byClient.get(client) ?? []) if (object.kind === kind) return true
    return false
  }

  /** The oldest first. */
  all(): IterableIterator<OwnedObject> {
    return this.#objects.values()
  }

  #add(object: OwnedObject): boolean {
    const { id, client } = object
    if (!idForm.test(id) || this.#objects.has(id)) return false
    this.#objects.set(id, object)
    const own = this.#byClient.get(client)
    if (own === undefined) this.#byClient.set(client, new Set([object]))
    else own.add(object)
    if (this.#objects.size > this.#max) this.#forgetOldest()
    return true
  }

  /** Of the client that has the most, so that no client makes the gateway forget what others have. */
  #forgetOldest(): void {
    let most = new Set<OwnedObject>()
    for (const own of this.#byClient.values()) if (own.size > most.size) most = own
    const [oldest] = most as Iterable<OwnedObject> as [OwnedObject]
    most.delete(oldest)
    if (most.size === 0) this.#byClient.delete(oldest.client)
    this.#objects.delete(oldest.id)
  }
}
