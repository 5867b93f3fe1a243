// The process that starts model servers, on a real Unix socket, with units that exist in its reports alone.
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'

import type { StarterRequest, UnitReport } from '../../src/platform/unit-report.ts'
import { scratchDirectory } from './config-file.ts'
import { until } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

/** What a request does besides being answered. Returns why it is refused; undefined: it is accepted. */
export type OnRequest = (request: StarterRequest) => string | undefined

export class ScriptedStarter {
  readonly path: string
  /** All that ever came, in turn. */
  readonly requests: StarterRequest[] = []
  /** Connections that were ever accepted. */
  connections = 0
  /** By default a started unit is active at once, and a stopped one is inactive. */
  onRequest: OnRequest = ({ kind, ...request }) => {
    if (!('service' in request)) return undefined
    if (kind === 'start') this.activate(request.service)
    else this.set(request.service, { active: 'inactive', sub: 'dead' })
    return undefined
  }
  /** Whether requests are answered. */
  answers = true
  /** What each connection begins with. */
  greeting: readonly object[] = [{ kind: 'hello', version: 1 }]
  readonly #reports = new Map<string, UnitReport>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #invocations = 0

  /** @param services names of providers; each has a unit NAME.service that does not run. */
  constructor(path: string, services: readonly string[]) {
    this.path = path
    for (const service of services) {
      this.#reports.set(service, {
        service,
        unit: `${service}.service`,
        load: 'loaded',
        active: 'inactive',
        sub: 'dead',
        result: 'success',
        restarts: 0,
        invocation: '',
      })
    }
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket))
    await new Promise<void>((resolve) => server.listen(this.path, resolve))
    this.#server = server
  }

  /** Nobody listens any more, and all connections end. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.drop()
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Sends a line as it is. */
  say(line: string): void {
    for (const socket of this.#sockets) socket.write(`${line}\n`)
  }

  /** Changes a unit and reports that. */
  set(service: string, change: Partial<UnitReport>): void {
    const report = { ...this.#reports.get(service)!, ...change }
    this.#reports.set(service, report)
    this.say(JSON.stringify({ kind: 'units', reports: [report], isWhole: false }))
  }

  /** Somebody has started it, and it runs. */
  activate(service: string): void {
    this.#invocations += 1
    const invocation = String(this.#invocations).padStart(32, '0')
    this.set(service, {
      active: 'active',
      sub: 'running',
      result: 'success',
      invocation,
      activeSinceMs: Date.now(),
      uid: process.getuid!(),
    })
  }

  /** Resolves when as many requests of this kind have come for a service. */
  asked(kind: StarterRequest['kind'], service: string, count = 1): Promise<void> {
    return until(() => this.countOf(kind, service) >= count, `${count} requests to ${kind} ${service}`)
  }

  countOf(kind: StarterRequest['kind'], service: string): number {
    return this.requests.filter((each) => each.kind === kind && 'service' in each && each.service === service)
      .length
  }

  #serve(socket: Socket): void {
    this.connections += 1
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    for (const message of this.greeting) socket.write(`${JSON.stringify(message)}\n`)
    if (this.greeting.length > 0) this.#reportAll(socket)
    let rest = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) this.#take(JSON.parse(line) as StarterRequest, socket)
    })
  }

  #take(request: StarterRequest, socket: Socket): void {
    this.requests.push(request)
    const { kind, id } = request
    const reason = this.onRequest(request)
    const answer = reason === undefined ? { kind: 'done', id } : { kind: 'refused', id, reason }
    if (this.answers) socket.write(`${JSON.stringify(answer)}\n`)
    if (kind === 'look' || kind === 'reload') this.#reportAll(socket)
  }

  #reportAll(socket: Socket): void {
    const reports = [...this.#reports.values()]
    socket.write(`${JSON.stringify({ kind: 'units', reports, isWhole: true })}\n`)
  }
}

/** Listens until the test ends. */
export async function startStarter(t: Cleanup, ...services: readonly string[]): Promise<ScriptedStarter> {
  const starter = new ScriptedStarter(join(scratchDirectory(t), 'services.sock'), services)
  await starter.listen()
  t.after(() => starter.close())
  return starter
}
