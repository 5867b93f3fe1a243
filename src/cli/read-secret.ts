// Reads a key: from a terminal without echo, or from a pipe.
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { ReadStream } from 'node:tty'
import { ByteCollector } from '../bytes/byte-collector.ts'

export type SecretInput = NodeJS.ReadableStream & Pick<ReadStream, 'isTTY' | 'setRawMode'>

const maxBytes = 16 * 1024

/** The line typed, or the whole of a pipe without its last newline; undefined when cancelled or longer than 16 KiB. */
export async function readSecret(
  input: SecretInput,
  prompt: (text: string) => void,
): Promise<string | undefined> {
  return input.isTTY ? readLine(input, prompt) : readPipe(input)
}

async function readPipe(input: SecretInput): Promise<string | undefined> {
  const held = new ByteCollector()
  for await (const chunk of input) {
    held.push(Buffer.from(chunk))
    if (held.length > maxBytes) return undefined
  }
  return held
    .take()
    .toString()
    .replace(/\r?\n$/, '')
}

/** Ctrl-C, and Ctrl-D on an empty line, cancel. */
function readLine(input: SecretInput, prompt: (text: string) => void): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  // readline echoes to its output: this one discards everything.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = createInterface({ input, output, terminal: true, historySize: 0 })
  prompt('Key (not shown): ')
  reader.once('line', (line) => {
    resolve(line)
    reader.close()
  })
  reader.once('SIGINT', () => reader.close())
  reader.once('close', () => {
    prompt('\n')
    resolve(undefined)
  })
  return promise
}
