// A question to the person at the terminal.
import { createInterface } from 'node:readline'
import type { OutputStream } from './output.ts'

export interface AskIo {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: OutputStream
}

/** The line that is typed. Undefined: nobody is at a terminal, or the input has ended (Ctrl-D). */
export async function ask({ stdin, stdout }: AskIo, question: string): Promise<string | undefined> {
  if (stdin.isTTY !== true) return undefined
  const reader = createInterface({ input: stdin })
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  reader.once('line', resolve)
  reader.once('close', () => resolve(undefined))
  stdout.write(question)
  const answer = await promise
  reader.close()
  return answer?.trim()
}
