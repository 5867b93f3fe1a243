// Reading a key: from a terminal without showing it, or from a pipe.
import type { ReadStream } from 'node:tty'
import { ByteCollector } from '../http/byte-collector.ts'

export type SecretInput = NodeJS.ReadableStream & Pick<ReadStream, 'isTTY' | 'setRawMode'>

const maxBytes = 16 * 1024

/** What was typed up to Enter, or the whole of a pipe without its last newline; undefined when it was called off. */
export async function readSecret(
  input: SecretInput,
  prompt: (text: string) => void,
): Promise<string | undefined> {
  return input.isTTY ? typed(input, prompt) : piped(input)
}

async function piped(input: SecretInput): Promise<string | undefined> {
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

const [enter, lineFeed, ctrlC, ctrlD, ctrlU, backspace, del] = [
  '\r',
  '\n',
  '\x03',
  '\x04',
  '\x15',
  '\b',
  '\x7f',
]

/** Raw mode turns the terminal's echo off, and its line editing too: that is done here. */
function typed(input: SecretInput, prompt: (text: string) => void): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  let text = ''
  const end = (result: string | undefined) => {
    input.off('data', read)
    input.setRawMode(false)
    input.pause()
    prompt('\n')
    resolve(result)
  }
  const read = (chunk: Buffer | string) => {
    for (const character of chunk.toString()) {
      if (character === enter || character === lineFeed || character === ctrlD) return end(text)
      if (character === ctrlC) return end(undefined)
      if (character === backspace || character === del) text = text.slice(0, -1)
      else if (character === ctrlU) text = ''
      else text += character
    }
  }
  prompt('Key (not shown): ')
  input.setRawMode(true)
  input.on('data', read)
  input.resume()
  return promise
}
