// Whether the client of a connection is still there although nothing is read from it: unread bytes hide its FIN from Node,
// and a reset is noticed only by reading. The kernel lists the states of both ends (proc_pid_net(5)). The client's own end
// matters too: a FIN behind bytes that our full buffer keeps out has not reached ours.
import type { Socket } from 'node:net'
import { isConnected } from '../../platform/node/getpeername.ts'
import { isPeerClosed } from '../../platform/node/unix-peer.ts'
import { addressForms, upperHex } from '../../platform/proc-net.ts'
import { kernelTables, type Tables } from './peer-table.ts'
import { type RowOwner, SocketTable } from './socket-table.ts'

/** ESTABLISHED alone (`include/net/tcp_states.h`): once a client has half closed, neither end is. */
const established: ReadonlySet<string> = new Set(['01'])

export class Departures {
  readonly #tcp: SocketTable
  readonly #tcp6: SocketTable

  constructor({ tcp, tcp6 }: Tables = kernelTables) {
    this.#tcp = new SocketTable(tcp, 8, established)
    this.#tcp6 = new SocketTable(tcp6, 32, established)
  }

  /**
   * Whether the client has closed, half closed or reset its connection. False where the kernel does not report it: without
   * /proc, without a free descriptor, and of a client that has half closed a Unix socket. Never rejects.
   */
  async hasLeft(socket: Socket): Promise<boolean> {
    if (isConnected(socket) === false) return true
    const { localAddress, localPort, remoteAddress, remotePort } = socket
    if (remoteAddress === undefined) return isPeerClosed(socket)
    const ours = { address: localAddress, port: localPort }
    const theirs = { address: remoteAddress, port: remotePort }
    try {
      const owners = await Promise.all([this.#look(ours, theirs), this.#look(theirs, ours)])
      if (owners.includes('nobody')) return true
    } catch {
      // What the list would show stays unknown; the connection itself can still be asked.
    }
    return isConnected(socket) === false
  }

  /** `nobody`: the row is in another state. Undefined: there is none, as of a client in another network namespace. */
  async #look(one: End, other: End): Promise<RowOwner | undefined> {
    const [local, remote] = [addressForms(one.address ?? ''), addressForms(other.address ?? '')]
    const ends = (from: string | undefined, to: string | undefined) =>
      from && to ? `${from}:${upperHex(one.port ?? 0, 4)} ${to}:${upperHex(other.port ?? 0, 4)}` : undefined
    const [tcp, tcp6] = [ends(local.tcp, remote.tcp), ends(local.tcp6, remote.tcp6)]
    const owner = tcp === undefined ? undefined : await this.#tcp.find(tcp)
    if ((owner !== undefined && owner !== 'nobody') || tcp6 === undefined) return owner
    return (await this.#tcp6.find(tcp6)) ?? owner
  }
}

interface End {
  readonly address: string | undefined
  readonly port: number | undefined
}
