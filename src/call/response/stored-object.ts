// A response that its provider stores is fetched there again, by the client that has asked for it. Its owner is remembered
// before the client sees the id.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { readString, scanJson } from '../../bytes/json/scan.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { eventData } from '../../bytes/sse.ts'
import type { ObjectOwner, ObjectOwners } from '../../routing/object-owners.ts'
import type { WholeBody } from '../attempt-outcome.ts'

/** The id stands in the first event; a few before it may be a server's own. */
const maxEvents = 8

const wanted = new MemberNames(['id'])

export class StoredObject {
  readonly #owners: Pick<ObjectOwners, 'remember'>
  readonly #owner: ObjectOwner
  #eventsLeft = maxEvents

  constructor(owners: Pick<ObjectOwners, 'remember'>, owner: ObjectOwner) {
    this.#owners = owners
    this.#owner = owner
  }

  readWhole({ bytes, value }: WholeBody): void {
    if (value !== undefined) return this.#remember(membersOf(value)['id'])
    const outcome = scanJson(bytes, wanted)
    const id = outcome.ok ? outcome.scan.members.get('id') : undefined
    if (id !== undefined) this.#remember(readString(bytes, id))
  }

  readonly watch = (event: Buffer): void => {
    if (this.#eventsLeft === 0) return
    this.#eventsLeft -= 1
    const data = eventData(event)
    const { response, id } = membersOf(data === undefined ? undefined : parseJson(data))
    this.#remember(membersOf(response)['id'] ?? id)
  }

  #remember(id: unknown): void {
    if (typeof id !== 'string') return
    this.#eventsLeft = 0
    this.#owners.remember([{ ...this.#owner, id }])
  }
}
