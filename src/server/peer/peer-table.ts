// The Unix user at the other end of a loopback TCP connection: the kernel lists the user of every socket of this machine
// (proc_pid_net(5)). PuTTY and agedu use the same list. A connection that sshd opens for `ssh -L` belongs to the user who
// logged in.
import { addressForms, type AddressForms, upperHex } from '../../platform/proc-net.ts'
import { kernelTable } from './kernel-table.ts'
import { type OpenTable, type RowOwner, SocketTable } from './socket-table.ts'

/** A connection as our own end sees it. */
export interface Connection {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
}

export type PeerLookup =
  | { readonly kind: 'found'; readonly uid: number }
  /** No row, or none of a connected socket: the client has left. */
  | { readonly kind: 'absent' }
  /** Sockets of several users have these ends. */
  | { readonly kind: 'ambiguous' }
  | { readonly kind: 'unreadable'; readonly cause: NodeJS.ErrnoException }

/** The kernel's two lists. A client may have an IPv6 socket for an IPv4 connection, and is in the second only. */
export interface Tables {
  readonly tcp: OpenTable
  readonly tcp6: OpenTable
}

export const kernelTables: Tables = {
  tcp: kernelTable('/proc/self/net/tcp', { isOptional: false }),
  tcp6: kernelTable('/proc/self/net/tcp6', { isOptional: true }),
}

export class PeerTable {
  readonly #tcp: SocketTable
  readonly #tcp6: SocketTable

  constructor({ tcp, tcp6 }: Tables = kernelTables) {
    this.#tcp = new SocketTable(tcp, 8)
    this.#tcp6 = new SocketTable(tcp6, 32)
  }

  /**
   * For a connection that has been accepted. The result is about the socket that has these ends now, which is this
   * connection's peer only if the connection still exists afterwards. Never rejects.
   */
  async find(connection: Connection): Promise<PeerLookup> {
    const ends = endsOf(connection)
    try {
      // While sockets come and go, the kernel's listing may step over a row.
      let owner = (await this.#look(ends)) ?? (await this.#look(ends))
      // A socket that was being closed has lost its inode by now.
      if (owner === 'perhaps root') owner = await this.#look(ends)
      switch (owner) {
        case undefined:
        case 'nobody':
          return { kind: 'absent' }
        case 'several':
          return { kind: 'ambiguous' }
        case 'perhaps root':
          return { kind: 'found', uid: 0 }
        default:
          return { kind: 'found', uid: owner }
      }
    } catch (error) {
      return { kind: 'unreadable', cause: error as Error }
    }
  }

  async #look({ tcp, tcp6 }: AddressForms): Promise<RowOwner | undefined> {
    const owner = tcp === undefined ? undefined : await this.#tcp.find(tcp)
    if ((owner !== undefined && owner !== 'nobody') || tcp6 === undefined) return owner
    return (await this.#tcp6.find(tcp6)) ?? owner
  }
}

/** The peer's row: its local address is our remote one. The other way round it would be our own row, and our own uid. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Connection): AddressForms {
  const [theirs, ours] = [addressForms(remoteAddress), addressForms(localAddress)]
  const ends = (their: string | undefined, our: string | undefined) =>
    their && our ? `${their}:${upperHex(remotePort, 4)} ${our}:${upperHex(localPort, 4)}` : undefined
  return { tcp: ends(theirs.tcp, ours.tcp), tcp6: ends(theirs.tcp6, ours.tcp6) }
}
