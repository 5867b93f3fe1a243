// The least that a gateway on Node can cost: node:http in front of undici's clients, and each piece passed on as it comes.
// No guards, no limits, no log. Arguments: its port and the upstream's.
// JavaScript that is required, because the package of ours is: to strip types, to import and to load all of undici took 26 MiB of
// 85, and half of a start.
const { createServer } = require('node:http')
const buildConnector = require('undici/lib/core/connect.js')
const Client = require('undici/lib/dispatcher/client.js')

const [port, upstreamPort] = process.argv.slice(2).map(Number)
const connect = buildConnector({ allowH2: false })
/** @type {Client[]} */
const idle = []

class Passage {
  #response
  #client

  constructor(response, client) {
    this.#response = response
    this.#client = client
  }

  onRequestStart() {}

  onResponseStart(_, status, headers) {
    const passed = ['content-type', 'content-length'].flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [name, value] : []
    })
    this.#response.writeHead(status, passed)
  }

  onResponseData(_, chunk) {
    this.#response.write(chunk)
  }

  onResponseEnd() {
    this.#response.end()
    idle.push(this.#client)
  }

  onResponseError() {
    this.#response.destroy()
  }
}

const options = { connect, allowH2: false, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }

createServer((request, response) => {
  const pieces = []
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', () => {
    const client = idle.pop() ?? new Client(`http://127.0.0.1:${upstreamPort}`, options)
    const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    const headers = ['content-type', request.headers['content-type'] ?? 'application/json']
    const sent = { path: request.url, method: 'POST', body, headers }
    client.dispatch(sent, new Passage(response, client))
  })
}).listen(port, '127.0.0.1')
