// Who may look at the metrics and the status page: by Unix user, whatever their keys, and behind a trusted proxy by identity.
import { overflowUid, uidNamed, type UnixUsers } from '../platform/unix-users.ts'

export type View = 'metrics' | 'status'

/** `metrics.allowed_users` and `status.allowed_users`. */
export type ViewUsers = Readonly<Record<View, readonly string[]>>

export class Observers {
  readonly #users: UnixUsers
  readonly #ownUid: number
  #uids: Readonly<Record<View, ReadonlySet<number>>> = { metrics: new Set(), status: new Set() }
  #identities: ReadonlySet<string> = new Set()

  /** @param ownUid of the user that runs the gateway. */
  constructor(users: UnixUsers, ownUid: number, names: ViewUsers) {
    this.#users = users
    this.#ownUid = ownUid
    this.follow(names)
  }

  /** Goes over to other lists. A name without an account here lets nobody in: a scraper may be installed later than it is listed. */
  follow({ metrics, status }: ViewUsers): void {
    this.#uids = {
      // Root may read the gateway's memory anyway.
      metrics: new Set([0, this.#ownUid, ...this.#uidsOf(metrics)]),
      status: this.#uidsOf(status),
    }
    this.#identities = new Set(status.filter((name) => name.includes(':')))
  }

  mayLook(view: View, uid: number): boolean {
    return this.#uids[view].has(uid)
  }

  /** Whether a client that a trusted proxy vouches for may see the status page. @param id of the client. */
  mayIdentityLook(id: string): boolean {
    return this.#identities.has(id)
  }

  /** Whether the user may look at anything. */
  isObserver(uid: number): boolean {
    return this.mayLook('metrics', uid) || this.mayLook('status', uid)
  }

  isOwn(uid: number): boolean {
    return uid === this.#ownUid
  }

  nameOf(uid: number): string {
    return this.#users.nameOf(uid) ?? String(uid)
  }

  #uidsOf(names: readonly string[]): ReadonlySet<number> {
    const uids = names.map((name) => uidNamed(name, this.#users, this.#ownUid))
    return new Set(uids.filter((uid): uid is number => uid !== undefined && uid !== overflowUid))
  }
}
