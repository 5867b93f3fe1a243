// Runs a command of the program in this process, because a process of its own takes longer than all of it.
import { PassThrough, Readable } from 'node:stream'
import { createProgram as createCompleteProgram } from '../../src/cli/completion/complete-program.ts'
import type { SecretInput } from '../../src/cli/read-secret.ts'
import { createProgram } from '../../src/cli/program.ts'

export interface EndedCommand {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** @param input what the command reads from standard input. */
export async function runCommand(
  args: readonly string[],
  { env = {}, input = '' }: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): Promise<EndedCommand> {
  const texts = { stdout: '', stderr: '' }
  const streamOf = (name: 'stdout' | 'stderr') =>
    new PassThrough().on('data', (text) => (texts[name] += String(text)))
  const [stdout, stderr] = [streamOf('stdout'), streamOf('stderr')]
  const stdin = Readable.from([input]) as unknown as SecretInput
  // As src/main.ts chooses.
  const create = args[0] === 'complete' ? createCompleteProgram : createProgram
  const status = await create({ stdout, stderr, env, stdin }).run(args)
  return { status, ...texts }
}
