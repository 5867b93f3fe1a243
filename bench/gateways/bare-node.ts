// The least that a gateway on Node can cost: node:http in front of undici's clients, and each piece passed on as it comes.
// No guards, no limits, no log. Arguments: its port and the upstream's.
import { createServer, type ServerResponse } from 'node:http'
import { buildConnector, Client, type Dispatcher } from 'undici'

const [port, upstreamPort] = process.argv.slice(2).map(Number)
const connect = buildConnector({ allowH2: false })
const idle: Client[] = []

class Passage implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  readonly #client: Client

  constructor(response: ServerResponse, client: Client) {
    this.#response = response
    this.#client = client
  }

  onRequestStart(): void {}

  onResponseStart(_: unknown, status: number, headers: Record<string, string | string[] | undefined>): void {
    const passed = ['content-type', 'content-length'].flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [name, value] : []
    })
    this.#response.writeHead(status, passed)
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    this.#response.write(chunk)
  }

  onResponseEnd(): void {
    this.#response.end()
    idle.push(this.#client)
  }

  onResponseError(): void {
    this.#response.destroy()
  }
}

const options = { connect, allowH2: false, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 } as const

createServer((request, response) => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => {
    const client = idle.pop() ?? new Client(`http://127.0.0.1:${upstreamPort}`, options)
    const body = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    const headers = ['content-type', request.headers['content-type'] ?? 'application/json']
    const sent = { path: request.url!, method: 'POST', body, headers } as const
    client.dispatch(sent, new Passage(response, client))
  })
}).listen(port, '127.0.0.1')
