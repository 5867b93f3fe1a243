// The starter: a process that starts and stops the model servers of the configuration for the gateway, which itself has no way to a
// service manager. It serves a Unix socket that only the gateway's user can reach. The protocol is platform/unit-report.ts.
// A line that is not a request ends its connection and nothing else.
import { createServer, type Server, type Socket } from 'node:net'
import { LineSplitter } from '../../bytes/lines.ts'
import type { Clock } from '../../platform/clock.ts'
import { printable } from '../../platform/printable.ts'
import type { StarterMessage, StarterRequest, UnitReport } from '../../platform/unit-report.ts'
import { ConfiguredServices, type ServicesFile } from './configured-services.ts'
import { readRequest } from './read-request.ts'
import type { RunManager } from './run-manager.ts'
import { UnitLooks } from './unit-looks.ts'
import { UnitRequests } from './unit-requests.ts'

export interface StarterParts {
  readonly file: ServicesFile
  readonly run: RunManager
  readonly clock: Clock
  /** For the journal: one line of text. */
  readonly log: (message: string) => void
  /** Called when nobody has been connected for `idleMs`; absent: the starter stays. */
  readonly onIdle?: () => void
}

/** There is one gateway; the others are one that replaces it, and people who look. */
const maxConnections = 8

const maxLineBytes = 64 * 1024

/** Of one connection: more than the services of any gateway. */
const maxOpenRequests = 256

/** Of a connection that does not read what it is sent. */
const maxUnreadBytes = 4 * 1024 * 1024

/** So that the gateway notices within seconds when this process stands still. */
const aliveEveryMs = 2_000

/** systemd starts it again for the next connection. */
const idleMs = 30_000

export class Starter {
  readonly server: Server
  readonly #connections = new Set<Connection>()
  readonly #configured: ConfiguredServices
  readonly #looks: UnitLooks
  readonly #requests: UnitRequests
  readonly #clock: Clock
  readonly #onIdle: (() => void) | undefined
  #cancelIdle: (() => void) | undefined
  #cancelAlive: (() => void) | undefined

  constructor({ file, run, clock, log: write, onIdle }: StarterParts) {
    const log = (message: string) => write(printable(message.replaceAll('\n', ' ')))
    const configured = new ConfiguredServices(file, log)
    this.#configured = configured
    this.#clock = clock
    this.#onIdle = onIdle
    const onReports = (changed: readonly UnitReport[], isWhole: boolean) => this.#report(changed, isWhole)
    const bootedAtMs = Math.round(clock.wallNow() - Number(process.hrtime.bigint() / 1_000_000n))
    const onUnusable = () => this.#sendUnusable()
    this.#looks = new UnitLooks({ configured, run, clock, bootedAtMs, onReports, onUnusable, log })
    this.#requests = new UnitRequests({ configured, looks: this.#looks, run, log })
    this.server = createServer((socket) => this.#accept(socket))
    this.server.maxConnections = maxConnections
    this.#waitForIdle()
  }

  /** Ends everything; requests that were accepted are carried out by the manager all the same. */
  close(): void {
    this.#cancelIdle?.()
    this.#cancelAlive?.()
    this.#looks.stop()
    this.server.close()
    for (const { socket } of this.#connections) socket.destroy()
  }

  #accept(socket: Socket): void {
    const connection: Connection = new Connection(socket, (request) => this.#perform(request, connection))
    this.#connections.add(connection)
    this.#cancelIdle?.()
    connection.send({ kind: 'hello', version: 1 })
    if (this.#looks.isUnusable) connection.send(unusable)
    if (this.#connections.size === 1) this.#sayAliveLater()
    socket.on('close', () => {
      this.#connections.delete(connection)
      if (this.#connections.size > 0) return
      this.#cancelAlive?.()
      this.#looks.stop()
      this.#waitForIdle()
    })
    this.#looks.start()
  }

  async #perform(request: StarterRequest, connection: Connection): Promise<StarterMessage> {
    const { id } = request
    // Before the requests after it are read.
    if (request.kind === 'reload') this.#configured.reload()
    const reason = await ('service' in request ? this.#requests.perform(request) : this.#look(connection))
    return reason === undefined ? { kind: 'done', id } : { kind: 'refused', id, reason }
  }

  /** @returns why nothing is known; undefined: everything was reported. */
  async #look(connection: Connection): Promise<string | undefined> {
    if (!(await this.#looks.look())) {
      return this.#looks.isUnusable ? unusable.reason : 'manager-unreachable'
    }
    connection.send({ kind: 'units', reports: this.#looks.reports, isWhole: true })
    return undefined
  }

  #report(changed: readonly UnitReport[], isWhole: boolean): void {
    for (const connection of this.#connections) {
      if (isWhole || !connection.hasWhole) {
        connection.hasWhole = true
        connection.send({ kind: 'units', reports: this.#looks.reports, isWhole: true })
      } else if (changed.length > 0) {
        connection.send({ kind: 'units', reports: changed, isWhole: false })
      }
    }
  }

  #sendUnusable(): void {
    for (const connection of this.#connections) {
      connection.hasWhole = false
      connection.send(unusable)
    }
  }

  #sayAliveLater(): void {
    this.#cancelAlive = this.#clock.setTimer(() => {
      for (const connection of this.#connections) connection.send({ kind: 'alive' })
      this.#sayAliveLater()
    }, aliveEveryMs)
  }

  #waitForIdle(): void {
    this.#cancelIdle?.()
    const onIdle = this.#onIdle
    if (onIdle !== undefined) this.#cancelIdle = this.#clock.setTimer(onIdle, idleMs)
  }
}

const unusable = { kind: 'unusable', reason: 'configuration' } as const

class Connection {
  readonly socket: Socket
  /** It has been sent a whole list of units. */
  hasWhole = false
  #openRequests = 0

  /** @param perform never rejects. */
  constructor(socket: Socket, perform: (request: StarterRequest) => Promise<StarterMessage>) {
    this.socket = socket
    const lines = new LineSplitter(maxLineBytes)
    const sink = {
      event: (line: Buffer) => {
        if (socket.destroyed) return
        const request = readRequest(line)
        if (request === undefined || this.#openRequests >= maxOpenRequests) {
          socket.destroy()
          return
        }
        this.#openRequests += 1
        // After a standstill, requests are here of connections that were given up meanwhile; their end is read next.
        setImmediate(() => {
          if (socket.destroyed || socket.readableEnded) return
          void perform(request).then((answer) => {
            this.#openRequests -= 1
            this.send(answer)
          })
        })
      },
      overflow: () => void socket.destroy(),
    }
    socket.on('data', (chunk: Buffer) => lines.push(chunk, sink))
    // It closes next.
    socket.on('error', () => {})
  }

  send(message: StarterMessage): void {
    if (this.socket.destroyed) return
    this.socket.write(`${JSON.stringify(message)}\n`)
    if (this.socket.writableLength > maxUnreadBytes) this.socket.destroy()
  }
}
