// A server that speaks RESP and runs no script: what it replies to each is in the test's hands, and lawful where the test says nothing.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { readScripts, type ScriptName } from '../../../../src/admission/stores/valkey/script-files.ts'
import type { Cleanup } from '../../../support/scripted-upstream.ts'

/** @returns bytes of RESP; undefined: the lawful ones; empty: nothing. */
export type Answer = (command: readonly string[], socket: Socket) => string | Buffer | undefined

export interface ScriptedServer {
  readonly url: string
  readonly port: number
  /** Of each command, or script, how often it came. */
  readonly asked: Map<string, number>
  /** All connections, in order. */
  readonly sockets: readonly Socket[]
}

const nameOfHash = new Map([...readScripts()].map(([name, { hash }]) => [hash, name]))

export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** `join`, `SUBSCRIBE`, … */
export function nameOf([command = '', second = '']: readonly string[]): string {
  return command === 'EVALSHA' ? (nameOfHash.get(second) ?? second) : command.toUpperCase()
}

const lawful: { readonly [name: string]: string } = {
  AUTH: '+OK\r\n',
  SELECT: '+OK\r\n',
  SCRIPT: bulk('0'.repeat(40)),
  INFO: bulk('redis_version:7.2.0\r\nrun_id:abc\r\nrole:master\r\n'),
  join: '*4\r\n:1700000000000\r\n:0\r\n:1\r\n:1\r\n',
  leave: ':1700000000000\r\n',
} satisfies Record<string, string> & Partial<Record<ScriptName, string>>

export async function startScripted(t: Cleanup, answer: Answer): Promise<ScriptedServer> {
  const sockets: Socket[] = []
  const asked = new Map<string, number>()
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
      for (let command = readCommand(text); command !== undefined; command = readCommand(text)) {
        text = text.slice(command.length)
        const name = nameOf(command.words)
        asked.set(name, 1 + (asked.get(name) ?? 0))
        const subscribed = `*3\r\n$9\r\nsubscribe\r\n${bulk(command.words[1] ?? '')}:1\r\n`
        const own = name === 'SUBSCRIBE' ? subscribed : lawful[name]
        const reply = answer(command.words, socket) ?? own ?? '-ERR unknown command\r\n'
        if (reply.length > 0) socket.write(reply)
      }
    })
  }).listen(0, '127.0.0.1')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `redis://127.0.0.1:${port}`, port, asked, sockets }
}

/** The first of a text of commands; their bytes as Latin-1. */
function readCommand(text: string): { words: string[]; length: number } | undefined {
  let at = 0
  const line = (): string | undefined => {
    const end = text.indexOf('\r\n', at)
    const found = end < 0 ? undefined : text.slice(at, end)
    at = end + 2
    return found
  }
  const count = Number(line()?.slice(1))
  if (!(count >= 0)) return undefined
  const words: string[] = []
  while (words.length < count) {
    const length = Number(line()?.slice(1))
    if (!(length >= 0) || at + length + 2 > text.length) return undefined
    words.push(text.slice(at, at + length))
    at += length + 2
  }
  return { words, length: at }
}
