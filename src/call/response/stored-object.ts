// A response that its provider stores is fetched there again, by the client that has asked for it. Its owner is remembered
// before the client sees the id.
import { responseIdIn, responseIdInEvent } from '../../dialects/openai/created-objects.ts'
import type { ObjectOwner, ObjectOwners } from '../../routing/object-owners.ts'
import type { WholeBody } from '../attempt-outcome.ts'
import type { StreamWatcher } from './relay-types.ts'

/** The id stands in the first event; a few before it may be a server's own. */
const maxEvents = 8

export class StoredObject implements StreamWatcher {
  readonly #owners: Pick<ObjectOwners, 'remember'>
  readonly #owner: ObjectOwner
  #eventsLeft = maxEvents

  constructor(owners: Pick<ObjectOwners, 'remember'>, owner: ObjectOwner) {
    this.#owners = owners
    this.#owner = owner
  }

  readWhole({ bytes, value }: WholeBody): void {
    this.#remember(responseIdIn(bytes, value))
  }

  onEvent(event: Buffer): void {
    if (this.#eventsLeft === 0) return
    this.#eventsLeft -= 1
    this.#remember(responseIdInEvent(event))
  }

  #remember(id: unknown): void {
    if (typeof id !== 'string') return
    this.#eventsLeft = 0
    this.#owners.remember([{ ...this.#owner, id }])
  }
}
