// The gateway's end of the starter's socket, for tests: sends requests and keeps what comes back.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

import type { StarterMessage, UnitReport } from '../../src/platform/unit-report.ts'
import { until } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

export class StarterClient {
  readonly messages: StarterMessage[] = []
  /** The last report of each service. */
  readonly reports = new Map<string, UnitReport>()
  readonly socket: Socket
  isClosed = false
  #id = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('close', () => (this.isClosed = true))
    socket.on('error', () => {})
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as StarterMessage
      this.messages.push(message)
      if (message.kind !== 'units') return
      if (message.isWhole) this.reports.clear()
      for (const report of message.reports) this.reports.set(report.service, report)
    })
  }

  static async connect(t: Cleanup, path: string): Promise<StarterClient> {
    const client = new StarterClient(connect(path))
    t.after(() => void client.socket.destroy())
    await once(client.socket, 'connect')
    return client
  }

  /** @returns `done`, or the reason of the refusal. */
  async request(kind: 'start' | 'stop' | 'look' | 'reload', service = '', unit?: string): Promise<string> {
    const id = (this.#id += 1)
    this.socket.write(
      `${JSON.stringify({ kind, id, ...((kind === 'start' || kind === 'stop') && { service }), unit })}\n`,
    )
    const isAnswer = (message: StarterMessage) => 'id' in message && message.id === id
    await until(() => this.messages.some(isAnswer), `the answer to ${kind} ${service}`)
    const answer = this.messages.find(isAnswer)
    return answer?.kind === 'refused' ? answer.reason : 'done'
  }

  /** Waits until the last report of a service has these members. */
  async reported(service: string, members: Partial<UnitReport>): Promise<UnitReport> {
    const isMet = () => {
      const report: Partial<UnitReport> = this.reports.get(service) ?? {}
      return Object.entries(members).every(([name, value]) => report[name as keyof UnitReport] === value)
    }
    await until(
      isMet,
      `${JSON.stringify(members)} of ${service}, of which ${JSON.stringify([...this.reports.values()])} is known`,
    )
    return this.reports.get(service)!
  }

  /** Waits until the other end has closed the connection. */
  async closed(): Promise<void> {
    await until(() => this.isClosed, 'the end of the connection')
  }
}
