// The control channel: commands of the gateway's own user talk to the running gateway over a Unix socket of its own, never
// over TCP. The modes of its directory (0700) and file (0600) decide who may connect; a proxy that forwards requests to it,
// or a page, is turned away by what they add to a request.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { StartError } from '../../errors.ts'
import { bindUnixSocket } from '../listeners/unix-socket.ts'

/** Of the paths and what they return: members are added, and the number changes where one changes its meaning. */
export const controlVersion = 1

/** Resolves to the response's JSON. @throws ControlError for what the asking command can change. */
export type ControlCommand = (input: Readonly<Record<string, unknown>>) => object | Promise<object>

/** `GET /-/state` → the command. */
export type ControlCommands = ReadonlyMap<string, ControlCommand>

/** Why a command can't be carried out. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
}

export interface ControlServer {
  readonly path: string
  /** Ends the connections that are open, and removes the socket. */
  close(): void
}

/** The kernel's bound (unix(7)). */
const maxPathBytes = 107
/** What commands send is short. */
const maxBodyBytes = 1_048_576

/**
 * @param onError is called with what a command throws besides `ControlError`: a bug.
 * @throws StartError when the directory is not private, or another gateway of this user has the socket.
 */
export async function openControl(
  path: string,
  commands: ControlCommands,
  onError: (error: unknown, command: string) => void,
): Promise<ControlServer> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new StartError(`the path ${path} is longer than the ${maxPathBytes} bytes that a socket's may have`)
  }
  const server = createServer((request, response) => {
    void answer(request, commands, onError).then(({ status, body }) => send(response, status, body))
  })
  await bindUnixSocket(server, path, 'the control socket')
  server.unref()
  return {
    path,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

interface Answer {
  readonly status: number
  /** JSON. */
  readonly body: string
}

async function answer(
  request: IncomingMessage,
  commands: ControlCommands,
  onError: (error: unknown, command: string) => void,
): Promise<Answer> {
  const mark = foreignMark(request)
  if (mark !== undefined) {
    return refuse(403, `The control socket serves the commands of this program; the request has ${mark}.`)
  }
  const name = `${request.method} ${request.url}`
  const command = commands.get(name)
  if (command === undefined) {
    return refuse(404, `This gateway has no ${name}. It knows ${[...commands.keys()].join(', ')}.`)
  }
  const input = await readInput(request)
  if (input === undefined)
    return refuse(400, `The body must be a JSON object of at most ${maxBodyBytes} bytes.`)
  try {
    return answerOf(200, await command(input))
  } catch (error) {
    if (error instanceof ControlError) return refuse(409, error.message)
    onError(error, name)
    return refuse(500, 'The gateway has failed at this command; its log has the cause.')
  }
}

function refuse(status: number, message: string): Answer {
  return answerOf(status, { error: { message } })
}

function answerOf(status: number, body: object): Answer {
  return { status, body: JSON.stringify(body) }
}

/** A header that only browsers and proxies send. */
function foreignMark({ headers }: IncomingMessage): string | undefined {
  return Object.keys(headers).find(
    (name) =>
      name === 'origin' ||
      name === 'forwarded' ||
      name === 'via' ||
      name.startsWith('sec-fetch-') ||
      name.startsWith('x-forwarded-'),
  )
}

/** Undefined for what is not a JSON object; `{}` for no body. */
async function readInput(request: IncomingMessage): Promise<Readonly<Record<string, unknown>> | undefined> {
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      length += piece.length
      // The rest is read all the same: an answer before it would be lost with the connection.
      if (length <= maxBodyBytes) pieces.push(piece)
    }
  } catch {
    // The command has ended: nobody reads what follows.
    return undefined
  }
  if (length === 0) return {}
  if (length > maxBodyBytes) return undefined
  const value = parseJson(Buffer.concat(pieces))
  return isObject(value) ? value : undefined
}

function send(response: ServerResponse, status: number, body: string): void {
  const bytes = Buffer.from(`${body}\n`)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'x-llm-gateway-control': controlVersion,
    connection: 'close',
  })
  response.end(bytes)
}
